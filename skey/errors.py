"""The one root of every error that this package raises on purpose."""


class SkeyError(Exception):
    """Something the caller can mend; the message says what and how."""


class WeightsError(SkeyError):
    """A weights file cannot be found, read or trusted; the message says which and what to do."""
