"""Errors that a user can mend."""


class InputError(Exception):
    """Bad input: one line that names the file or key, what is wrong with it, and what would do."""


def one_line(error: BaseException, longest: int = 160) -> str:
    """The message of an error on one line of at most `longest` characters; its type where it has no message."""
    return " ".join(str(error).split())[:longest] or type(error).__name__
