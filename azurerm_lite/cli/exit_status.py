"""The exit statuses of the commands."""

DONE = 0
FAILED = 1
USAGE = 2
ROLLED_BACK = 3
INTERRUPTED = 130


class UsageError(Exception):
    """An argument is invalid; nothing was sent."""


class Declined(Exception):
    """The confirmation was answered with no; nothing more was changed."""
