"""The one error a user of this room can cause."""


class RunError(ValueError):
    """A run folder cannot be judged: a file is missing, damaged or of a kind this room refuses."""

    exit_code = 3
