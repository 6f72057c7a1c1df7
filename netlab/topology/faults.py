"""Collect the faults of one file, each drawn on its own line of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from netlab.errors import Fault, InputError, Place

# YAML's line breaks, not Python's: marks must count lines as the parser does.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

MAX_FAULTS = 200
MAX_DRAWN = 300  # characters of a line; a longer one would bury the message
MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a token stands in its file: line and column from 1, width in characters."""

    line: int
    column: int
    width: int = 1


TOP = Mark(1, 1)


def shown(word: str) -> str:
    """Return a user's word fit for a message: quoted, shortened, no control characters."""
    if len(word) > MAX_SHOWN:
        word = word[:MAX_SHOWN] + "…"
    return "'" + _printable(word) + "'"


class Faults:
    """The faults of one file, found in any order; `check` raises them together."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._lines = _LINE_BREAK.split(text)
        self._found: dict[tuple[Mark, str], Fault] = {}

    def __len__(self) -> int:
        return len(self._found)

    def place(self, mark: Mark) -> Place:
        """Return where a mark stands, for a message that names a second place."""
        return Place(self._file, mark.line, mark.column)

    def add(self, mark: Mark, what: str, hint: str) -> None:
        """Note a fault; the same fault at the same place (an alias) counts once.

        Raises InputError at once when there are so many that no one would read on.
        """
        line = self._lines[mark.line - 1] if mark.line <= len(self._lines) else ""
        text = _printable(line) if len(line) <= MAX_DRAWN else ""
        width = max(1, min(mark.width, len(line) - mark.column + 1))
        self._found[mark, what] = Fault(self.place(mark), what, hint, text, width)
        if len(self._found) >= MAX_FAULTS:
            self.check()

    def check(self) -> None:
        """Raise InputError if anything was found."""
        if self._found:
            raise InputError(tuple(self._found.values()))


def _printable(text: str) -> str:
    """Replace what a terminal would obey rather than show, one for one: the caret stays in place."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
