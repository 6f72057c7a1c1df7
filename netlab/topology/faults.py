"""Collect the faults of one topology, each drawn on its own line of the file that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from netlab.errors import Fault, InputError, Place

# YAML's line breaks, not Python's: marks must count lines as the parser does.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

MAX_FAULTS = 200
MAX_DRAWN = 300  # characters of a line; a longer one would bury the message
MAX_SHOWN = 60


class Mark(NamedTuple):
    """Where a token stands: line and column from 1, width in characters.

    `file` is empty in the file that was asked for, and names the one that it extends. A tuple, and no
    dataclass: every value of a file has one, and a frozen dataclass takes twice as long to make.
    """

    line: int
    column: int
    width: int = 1
    file: str = ""


TOP = Mark(1, 1)


def shown(word: str) -> str:
    """Return a user's word fit for a message: quoted, shortened, no control characters."""
    if len(word) > MAX_SHOWN:
        word = word[:MAX_SHOWN] + "…"
    return "'" + _printable(word) + "'"


class Faults:
    """The faults of one topology, found in any order; `check` raises them together."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._lines = {"": _LINE_BREAK.split(text)}
        self._found: dict[tuple[Mark, str], Fault] = {}
        self._shared: set[Mark] = set()
        # Node that counts → how many it stands for; None: that has a fault. See `netlab.topology.naming`.
        self.counts: dict[str, int | None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add_file(self, file: str, text: str) -> None:
        """Make known a further file, for the marks that name it."""
        self._lines[file] = _LINE_BREAK.split(text)

    def nearest(self, *marks: Mark) -> Mark:
        """Return the first of the marks that stands in the file asked for, or in the one that it extends, ….

        What lies over a file changes what it says: where two of them do not fit, the upper one is to blame.
        """
        order = list(self._lines)
        return min(marks, key=lambda mark: order.index(mark.file))

    def share(self, marks: Iterable[Mark]) -> None:
        """Make known marks that stand for several nodes: only the first fault of each is told."""
        self._shared.update(marks)

    def place(self, mark: Mark) -> Place:
        """Return where a mark stands, for a message that names a second place."""
        return Place(mark.file or self._file, mark.line, mark.column)

    def block_indent(self, mark: Mark) -> int | None:
        """Return how far the literal block (`|`) at a mark is indented; None where there is no such block."""
        lines = self._lines[mark.file]
        if not lines[mark.line - 1][mark.column - 1 :].startswith("|"):
            return None
        following = (line for line in lines[mark.line :] if line.strip())
        first = next(following, "")
        return len(first) - len(first.lstrip(" "))

    def other(self, mark: Mark, first: Mark) -> str:
        """Return the hint for what only one node can have, and `first` has already."""
        if mark == first:  # of a kind, a count or an anchor
            return "several nodes have it from here: let each say its own"
        return f"choose another; the first is at {self.place(first)}"

    def add(self, mark: Mark, what: str, hint: str) -> None:
        """Note a fault; the same fault at the same place (an alias) counts once.

        Raises InputError at once when there are so many that no one would read on.
        """
        if mark in self._shared and any(mark == earlier for earlier, _ in self._found):
            return
        lines = self._lines[mark.file]
        line = lines[mark.line - 1] if mark.line <= len(lines) else ""
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
