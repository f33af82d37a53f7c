"""Arguments that several commands take."""

import argparse


def positive(word: str) -> int:
    if not word.isdecimal() or int(word) == 0:
        raise argparse.ArgumentTypeError(f"{word} is not a whole number above 0")
    return int(word)


def port(word: str) -> int:
    if not word.isdecimal() or not 0 < int(word) < 2**16:
        raise argparse.ArgumentTypeError(f"{word} is not a port; 1 to 65535 are")
    return int(word)
