"""A packet of a capture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """A packet as recorded: `data` may be shorter than `original_length`, what was on the wire."""

    time_ns: int
    interface: str
    data: bytes
    original_length: int
    comment: str = ""
