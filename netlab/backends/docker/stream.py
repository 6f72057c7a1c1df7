"""How a command's streams and words about it share one connection: frames of a kind, a length and bytes.

`conversation`, outside, and `portal`, in the fabric, are its two ends.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

# WORDS are JSON. OUTPUT is the standard input on its way in, the output on its way out; none is its end.
WORDS, OUTPUT, ERRORS = range(3)
WINDOW = 1 << 18  # bytes of input under way at most, so that words are never stuck behind them
CHUNK = 1 << 16

_HEAD = struct.Struct(">BI")


def frame(kind: int, data: bytes) -> bytes:
    """Return a frame."""
    return _HEAD.pack(kind, len(data)) + data


def words(message: dict[str, Any]) -> bytes:
    """Return a frame of words."""
    return frame(WORDS, json.dumps(message).encode())


class Frames:
    """Cuts what comes, in pieces of any size, into frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield kind and bytes of each frame that is complete now."""
        self._held += data
        while len(self._held) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._held)
            end = _HEAD.size + size
            if len(self._held) < end:
                return
            body = bytes(self._held[_HEAD.size : end])
            del self._held[:end]
            yield kind, body
