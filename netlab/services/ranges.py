"""Which octets of a body a client wants: the Range field of RFC 9110, section 14.1.2."""

from __future__ import annotations

import re

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)


def byte_range(value: str, size: int) -> range | None:
    """Return the positions that a Range field asks for (RFC 9110, section 14.1.2).

    None, for the whole: another unit, what does not parse, a suffix of nothing, and several ranges, which a
    server may ignore (section 14.2). An empty range: not satisfiable.
    """
    match = _ONE_RANGE.fullmatch(value)
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:
        suffix = _position(last)
        return range(max(0, size - suffix), size) if size or not suffix else None
    if last and _position(last) < _position(first):
        return None
    return range(min(_position(first), size), min(_position(last) + 1, size) if last else size)


def _position(digits: str) -> int:
    """Read an octet position; its first 19 digits suffice to be beyond any body, and int() has a limit."""
    return int(digits.lstrip("0")[:19] or 0)
