"""Slips that the eye does not see: a tab or a foreign space in the indentation, no blank after a colon.

The parser stops at them late, or not at all, and then tells of something else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from netlab.topology.faults import shown

# What web pages and word processors write for a space, and YAML takes for a letter.
_FOREIGN = frozenset("\u00a0\u200b\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))))
_INDENT = re.compile(f"[ \t{''.join(sorted(_FOREIGN))}]*")
# Two colons are IPv6's, and :// is a URL's.
_GLUED = re.compile(r"(?P<key>[^\s:]+):(?P<value>(?!//)[^\s:].*)")
_GLUED_LINE = re.compile(r"\s*(?:- )?(?P<slip>[A-Za-z][\w.-]*:[^\s'\"#](?:[^#]*[^\s#])?)\s*(?:#.*)?")
_AFTER_NO_BLANK = ("mapping values", "expected ':'", "expected key")  # what the parser then says
_LINES_BEFORE = 2  # how far above the place where the parser stops the cause may stand


class Slip(NamedTuple):
    """Column and line from 0, width in characters; what it is, and what to do."""

    column: int
    width: int
    what: str
    hint: str
    line: int = 0


def before(lines: Sequence[str], stop: int, problem: str) -> Slip | None:
    """Return what most likely made the parser stop in `lines[stop]`, with these words."""
    tab = _in_indent(lines[stop], "\t")
    if tab is not None:
        return Slip(tab, 1, "a tab in the indentation", "YAML wants spaces there", stop)
    for number, line in enumerate(lines[: stop + 1]):
        if (slip := foreign(_INDENT.match(line)[0])) is not None:  # type: ignore[index]  # it matches anything
            return slip._replace(line=number)
    if any(words in problem for words in _AFTER_NO_BLANK):
        for number in range(stop, max(-1, stop - _LINES_BEFORE - 1), -1):
            found = _GLUED_LINE.fullmatch(lines[number])
            if found and (meant := glued(found["slip"])):
                return Slip(found.start("slip"), len(found["slip"]), *unglued(*meant), number)
    return None


def foreign(text: str) -> Slip | None:
    """Return the first foreign space of a text, and those right behind it."""
    first = next((at for at, char in enumerate(text) if char in _FOREIGN), None)
    if first is None:
        return None
    width = next((at for at, char in enumerate(text[first:]) if char not in _FOREIGN), len(text) - first)
    char = text[first]
    what = f"a character in the indentation that only looks like a space: U+{ord(char):04X}, {_name(char)}"
    return Slip(first, width, what, "YAML wants plain spaces there: delete it, and type them")


def begins_foreign(text: str) -> bool:
    """Say whether a word begins with a foreign space, as it does where that was meant as indentation."""
    return text[:1] in _FOREIGN


def glued(text: str) -> tuple[str, str] | None:
    """Return key and value of a word that is both, without the blank between; None for any other."""
    found = _GLUED.fullmatch(text)
    return (found["key"], found["value"]) if found and "::" not in text else None


def unglued(key: str, value: str) -> tuple[str, str]:
    """Return what is wrong with a key and a value that stand together, and what to do."""
    meant = shown(f"{key}: {value}")[1:-1]
    return f"no blank after the colon in {shown(f'{key}:{value}')}", f"write {meant}"


def _in_indent(line: str, char: str) -> int | None:
    at = line.find(char, 0, len(line) - len(line.lstrip()))
    return None if at < 0 else at


def _name(char: str) -> str:
    return unicodedata.name(char, "no character").lower()
