"""Errors that end a command with one line and an exit code, and suggestions for misspelled words."""

import difflib
from collections.abc import Collection, Iterable


class LsbenchError(Exception):
    """Anything that ends a command with one line on stderr; ``exit_code`` is the command's."""

    exit_code = 1


class UsageError(LsbenchError):
    """A setting that is unknown, of the wrong type or out of its range."""

    exit_code = 2


def shown(word: str) -> str:
    """The word as messages show it: an empty one as two quotes."""
    return word or "''"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` for the most similar of ``known``, or empty if none is similar."""
    near = difflib.get_close_matches(word, [name for name in known if name != word], n=1)
    return f"; did you mean {near[0]}?" if near else ""


def suggest_or_list(word: str, known: Collection[str]) -> str:
    """`did_you_mean`, or ``; there are X, Y`` if no word is similar."""
    return did_you_mean(word, known) or f"; there are {', '.join(known)}"


class DataError(LsbenchError):
    """A data set that is missing, damaged or too small."""

    exit_code = 3


class StorageError(LsbenchError):
    """A results folder that cannot be written or read."""

    exit_code = 4
