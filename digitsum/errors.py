"""The one kind of error that a user can mend."""


class InputError(Exception):
    """Bad input: one line that names the file or key, what is wrong with it, and what would do."""
