"""Errors that a user can mend."""


class InputError(Exception):
    """Bad input: one line that names the file or key, what is wrong with it, and what would do."""


def plain(text: str) -> str:
    """A text as one line of printable characters; file names may hold others, and bytes that are no text at all."""
    line = text.encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def one_line(error: BaseException, longest: int = 160) -> str:
    """The message of an error on one line of at most `longest` printable characters; its type if it has no message."""
    line = " ".join(str(error).split())
    return "".join(letter for letter in line if letter.isprintable())[:longest] or type(error).__name__
