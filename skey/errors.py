"""The one root of every error that this package raises on purpose."""


class SkeyError(Exception):
    """Something the caller can mend; the message says what and how."""
