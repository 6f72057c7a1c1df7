"""The trace of a run: one line a packet, with names for addresses and numbers that count from each SYN.

`trace_of` makes it from a capture; `format_trace` writes it and `read_trace` takes it back;
`netlab.report.compare` compares two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from netlab.errors import CaptureError, Fault, InputError, Place
from netlab.report.frame import Frame
from netlab.report.line import Line, Widths, format_line, parse_line
from netlab.report.narrator import Narrator, as_word
from netlab.report.pcapng import ETHERNET, Capture, read_capture

__all__ = [
    "Line",
    "Trace",
    "format_line",
    "format_trace",
    "in_order",
    "read_trace",
    "trace",
    "trace_of",
    "trace_of_capture",
]

HEADER = "# netlab trace 1"  # the number changes when a line's meaning does

_EXPLANATION = (
    "# seconds since the first packet  who > whom  protocol  [TCP flags]  fields  remarks",
    "# seq and ack count from their direction's SYN (below 0: before it); the rest is as in the packet.",
    "# isn: where a seeded SYN counts from; data: the payload's digest, not of a DNS id; df: don't fragment.",
)


@dataclass(frozen=True, slots=True)
class Trace:
    """A capture told; `names` are by address, `dropped` is how many packets the recorder lost."""

    lines: tuple[Line, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    dropped: int = 0
    truncated: bool = False


def trace(frames: Iterable[Frame], names: Mapping[str, str]) -> Iterator[Line]:
    """Tell frames in the order of their time: what several recorders wrote into one file may be out of it."""
    narrator = Narrator(names)
    for frame in in_order(frames):
        yield narrator.line(frame)


def in_order(frames: Iterable[Frame]) -> list[Frame]:
    """Return frames in the order of their time: the order of a trace's lines."""
    return sorted(frames, key=attrgetter("time_ns"))


def trace_of_capture(path: Path) -> Trace:
    """Tell a pcapng file; raises as `read_capture` and `trace_of` do."""
    return trace_of(read_capture(path), str(path))


def trace_of(capture: Capture, label: str) -> Trace:
    """Tell a capture; CaptureError, which says `label`, where a link is not Ethernet.

    One without packets is no error here: whoever expected some decides.
    """
    _check_link_types(capture, label)
    lines = tuple(trace(capture.frames, capture.names))
    return Trace(lines, capture.names, capture.dropped, capture.truncated)


def format_trace(told: Trace) -> str:
    """Write a trace.txt; without packets it is the header alone."""
    header = [HEADER, *_EXPLANATION]
    header += (f"# {as_word(name)} is {address}" for address, name in told.names.items())
    if told.dropped:
        header.append(f"# INCOMPLETE: the recorder lost {told.dropped} packets")
    if told.truncated:
        header.append("# INCOMPLETE: the recording was broken off")
    widths = Widths.of(told.lines)
    return "\n".join([*header, *(format_line(line, widths) for line in told.lines)]) + "\n"


def read_trace(text: str, file: str = "trace.txt") -> tuple[Line, ...]:
    """Read a trace.txt; InputError, with every line that is none, names `file`."""
    rows = text.splitlines()
    if not rows or rows[0] != HEADER:
        where = Place(file, 1, 1)
        what = f"this is not a trace that this netlab can read: it does not begin with “{HEADER}”"
        raise InputError([Fault(where, what, "make it anew from the run's capture.pcapng")])
    lines, faults = [], []
    for number, row in enumerate(rows, 1):
        if not row or row.startswith("#"):
            continue
        try:
            lines.append(parse_line(row))
        except ValueError as error:
            hint = "make the trace anew from the run's capture.pcapng"
            faults.append(Fault(Place(file, number, 1), f"not a trace's line: {error}", hint, row, len(row)))
    if faults:
        raise InputError(faults)
    return tuple(lines)


def _check_link_types(capture: Capture, label: str) -> None:
    used = {frame.interface for frame in capture.frames}
    for interface in capture.interfaces:
        if interface.link_type != ETHERNET and interface.name in used:
            what = f"{label}: {interface.name} was not recorded as Ethernet (link type {interface.link_type})"
            raise CaptureError(what, "record on an Ethernet interface rather than on “any”")
