"""Sequence numbers: 32 bits on the wire, plain integers inside (RFC 9293, section 3.4).

Inside, nothing wraps: the number after 2³²−1 is 2³², so that "less than" is Python's own everywhere else.
"""

from __future__ import annotations

SPACE = 1 << 32
_HALF = 1 << 31


def wrap(number: int) -> int:
    """Return a number as it stands in a segment."""
    return number % SPACE


def unwrap(wire: int, near: int) -> int:
    """Return what a segment's number stands for: of all numbers that look so, the nearest to `near`.

    Of two that are as near, the lower one, hence an old one.
    """
    return near + (wire - near + _HALF) % SPACE - _HALF
