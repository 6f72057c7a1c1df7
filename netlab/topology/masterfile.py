"""The syntax of zone files (RFC 1035, section 5.1): a text to rows of tokens, each of which knows its place.

What the tokens mean is `netlab.topology.zonefile`'s to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from netlab.topology.faults import Faults, Mark

_BREAK = re.compile("\r\n|[\n\r]")
# Blanks; a comment; a parenthesis; a quoted string; a word (\ takes the next sign as itself); the rest.
_TOKEN = re.compile(r'[ \t\f]+|;.*|[()]|"(?:[^"\\]|\\.)*"|(?:[^ \t\f;()"\\]|\\.)+|.')
# U+0085, U+2028 and U+2029 break lines to some programs, and not to others.
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


class Token(NamedTuple):
    """A word or a quoted string, as it is written; `apart` says whether anything stands before it."""

    text: str
    mark: Mark
    apart: bool

    @property
    def quoted(self) -> bool:
        """Whether it stands in quotes, which are part of its text."""
        return self.text.startswith('"')


class Row(NamedTuple):
    """An entry; one that is `indented` begins with a blank, and belongs to the name of the one before it."""

    tokens: tuple[Token, ...]
    indented: bool


@dataclass(slots=True)
class _Rows:
    """The text as it is read, line by line; `opened` is the parenthesis that the lines stand in."""

    file: str
    faults: Faults
    tokens: list[Token] = field(default_factory=list)
    opened: Mark | None = None
    indented: bool = False
    sound: bool = True

    def read(self, lines: list[str]) -> Iterator[Row]:
        for number, line in enumerate(lines, start=1):
            if self.opened is None:
                self.tokens, self.indented, self.sound = [], line[:1] in (" ", "\t", "\f"), True
            self._line(number, line)
            if self.opened is None and self.tokens and self.sound:
                yield Row(tuple(self.tokens), self.indented)
        if self.opened is not None and self.sound:
            hint = "close it at the end of its record: all that follows stands in it"
            self.faults.add(self.opened, "a parenthesis that is never closed", hint)

    def _line(self, number: int, line: str) -> None:
        apart = True
        for found in _TOKEN.finditer(line):
            text, column = found.group(), found.start() + 1
            first = text[0]
            if first in " \t\f;":
                apart = True
                continue
            mark = Mark(number, column, len(text), self.file)
            if first in "()":
                self._parenthesis(first, mark)
                apart = True
            elif text in '"\\':
                self._unfinished(text, line, mark)
                return
            else:
                self.tokens.append(Token(text, mark, apart))
                apart = False

    def _parenthesis(self, sign: str, mark: Mark) -> None:
        if sign == "(" and self.opened is None:
            self.opened = mark
        elif sign == ")" and self.opened is not None:
            self.opened = None
        else:
            what = "a parenthesis within another" if sign == "(" else "a parenthesis that was never opened"
            self.faults.add(mark, what, "delete it")
            self.sound = False

    def _unfinished(self, sign: str, line: str, mark: Mark) -> None:
        self.sound = False
        if sign == "\\":
            self.faults.add(mark, "a \\ at the end of the line", "parentheses hold lines together, as in ( )")
            return
        rest = mark._replace(width=len(line) - mark.column + 1)
        self.faults.add(rest, "a quote that is not closed on its line", 'write " at its end')


def rows(text: str, file: str, faults: Faults) -> Iterator[Row]:
    """Yield a file's entries, those without syntax faults; `file` is known to `faults`."""
    lines = _BREAK.split(text)
    for number, line in enumerate(lines, start=1):
        if bad := _FORBIDDEN.search(line):
            what = f"the character U+{ord(bad.group()):04X} may not stand in a zone file"
            faults.add(Mark(number, bad.start() + 1, file=file), what, "delete it")
            return
    yield from _Rows(file, faults).read(lines)
