"""What can be wrong with a data set."""

from skey.errors import SkeyError


class MissingData(SkeyError):
    """A file of a data set is not there; the message names it and says where to get it."""


class LabelError(SkeyError):
    """Labels cannot be read; the message gives each line number and what was expected there."""


class UnknownDataset(SkeyError, ValueError):
    """There is no data set of this name; the message lists those there are."""
