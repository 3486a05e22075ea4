"""The exit statuses of the commands."""

DONE = 0
FAILED = 1
USAGE = 2
ROLLED_BACK = 3
INTERRUPTED = 130


class UsageError(Exception):
    """The arguments of the command cannot be used; nothing was sent."""


class Declined(Exception):
    """Somebody answered a question with no; nothing more was changed."""
