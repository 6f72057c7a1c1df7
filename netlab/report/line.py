"""One packet as one line of text, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from netlab.report.headers import FLAGS

NO_FLAGS = "none"  # what a TCP segment without any flag shows in the column

_COLUMN = re.compile(" {2,}")
_TIME = re.compile(r"(-?)(\d+)\.(\d{6})")
_FLAGS = re.compile(rf"{NO_FLAGS}|(?:{'|'.join(FLAGS)})(?:,(?:{'|'.join(FLAGS)}))*")


@dataclass(frozen=True, slots=True)
class Line:
    """A packet in words: `time_us` is in microseconds since the first packet, the ends are `name:port`.

    `fields` are words (at least one; `seq=0`, `len=30`), `remarks` are free texts of single-spaced words.
    """

    time_us: int
    source: str
    destination: str
    protocol: str
    flags: str
    fields: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def flow(self) -> tuple[str, str, str]:
        """One direction of a flow: protocol, source, destination."""
        return self.protocol, self.source, self.destination

    @property
    def text(self) -> str:
        """All that the packet says: the line without its time and ends."""
        return "  ".join(filter(None, (self.flags, " ".join(self.fields), *self.remarks)))


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide the columns before the fields are; what is longer pushes the rest of its own line."""

    time: int = 8
    ends: int = 25
    protocol: int = 3
    flags: int = 7

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Widths:
        """Return widths that align all of these lines."""
        least = cls()
        return cls(
            max([least.time, *(len(_time(line)) for line in lines)]),
            max([least.ends, *(len(_ends(line)) for line in lines)]),
            max([least.protocol, *(len(line.protocol) for line in lines)]),
            max([least.flags, *(len(line.flags) for line in lines)]),
        )


def format_line(line: Line, widths: Widths = Widths()) -> str:
    """Write a line; columns are two or more spaces apart, flags have one only in TCP's lines."""
    columns = [
        _time(line).rjust(widths.time),
        _ends(line).ljust(widths.ends),
        line.protocol.ljust(widths.protocol),
        *([line.flags.ljust(widths.flags)] if line.flags else []),
        " ".join(line.fields),
        *line.remarks,
    ]
    return "  ".join(columns)


def parse_line(text: str) -> Line:
    """Read what `format_line` wrote; ValueError where the text is no such line."""
    columns = _COLUMN.split(text.strip(" "))
    if len(columns) < 4:
        raise ValueError("too few columns")
    time, ends, protocol, *rest = columns
    found = _TIME.fullmatch(time)
    source, arrow, destination = ends.partition(" > ")
    if not found or not arrow or " " in source or " " in destination:
        raise ValueError("no time, or nobody to whom")
    microseconds = int(found[2]) * 1_000_000 + int(found[3])
    flags = rest.pop(0) if _FLAGS.fullmatch(rest[0]) else ""
    if not rest:
        raise ValueError("no fields")
    fields, *remarks = rest
    return Line(
        -microseconds if found[1] else microseconds,
        source,
        destination,
        protocol,
        flags,
        tuple(fields.split(" ")),
        tuple(remarks),
    )


def _time(line: Line) -> str:
    seconds, microseconds = divmod(abs(line.time_us), 1_000_000)
    return f"{'-' if line.time_us < 0 else ''}{seconds}.{microseconds:06d}"


def _ends(line: Line) -> str:
    return f"{line.source} > {line.destination}"
