"""TCP's options (RFC 9293, section 3.1; RFC 7323; RFC 2018): to bytes, and from bytes that may be wrong."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from netlab.report.headers import (
    END_OF_OPTIONS,
    MSS,
    NO_OPERATION,
    SACK,
    SACK_PERMITTED,
    TIMESTAMPS,
    WINDOW_SCALE,
)

SPACE_FOR_OPTIONS = 40  # bytes: a data offset of 15 words, less the header's own 5
TIMESTAMPS_LENGTH = 12  # bytes that the option takes in each segment, padded as RFC 7323's appendix A has it
MAX_WINDOW_SCALE = 14  # RFC 7323, section 2.3

_NOP = bytes([NO_OPERATION])


@dataclass(frozen=True, slots=True)
class Options:
    """What a segment's options say; None or empty: it lacks that option.

    `timestamps` are TSval and TSecr; `sack` has blocks of received bytes, from the first to past the last.
    """

    mss: int | None = None
    window_scale: int | None = None
    sack_permitted: bool = False
    sack: tuple[tuple[int, int], ...] = ()
    timestamps: tuple[int, int] | None = None


NO_OPTIONS = Options()


def encode(options: Options) -> bytes:
    """Return the options' bytes, a multiple of four of them; each begins where its numbers are aligned."""
    if options is NO_OPTIONS:
        return b""
    parts = []
    if options.mss is not None:
        parts.append(struct.pack("!BBH", MSS, 4, options.mss))
    if options.sack_permitted:
        parts.append(struct.pack("!BBBB", NO_OPERATION, NO_OPERATION, SACK_PERMITTED, 2))
    if options.timestamps is not None:
        parts.append(struct.pack("!BBBBII", NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10, *options.timestamps))
    if options.window_scale is not None:
        parts.append(struct.pack("!BBBB", NO_OPERATION, WINDOW_SCALE, 3, options.window_scale))
    if options.sack:
        edges = [edge for block in options.sack for edge in block]
        parts.append(_NOP * 2 + struct.pack(f"!BB{len(edges)}I", SACK, 2 + 4 * len(edges), *edges))
    return b"".join(parts)


def decode(data: bytes) -> Options:
    """Read options up to the end mark, or to the first whose length cannot be.

    RFC 9293, section 3.1: options that are not known are passed over (MUST-6), and an illegal length is to be
    survived (MUST-7). That suggests a reset; here what follows is ignored, so that no damage resets.
    """
    if not data:
        return NO_OPTIONS
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != END_OF_OPTIONS:
        kind = data[at]
        if kind == NO_OPERATION:
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2 or at + length > len(data):
            break
        found[kind] = data[at + 2 : at + length]
        at += length
    return _understood(found)


def _understood(found: dict[int, bytes]) -> Options:
    """Return what is known among the options; one whose length is not its kind's is none."""
    mss, scale, timestamps = found.get(MSS, b""), found.get(WINDOW_SCALE, b""), found.get(TIMESTAMPS, b"")
    return Options(
        mss=int.from_bytes(mss) if len(mss) == 2 else None,
        # A larger one is taken for 14 (RFC 7323, section 2.3).
        window_scale=min(scale[0], MAX_WINDOW_SCALE) if len(scale) == 1 else None,
        sack_permitted=found.get(SACK_PERMITTED) == b"",
        sack=_blocks(found.get(SACK, b"")),
        timestamps=struct.unpack("!II", timestamps) if len(timestamps) == 8 else None,
    )


def _blocks(data: bytes) -> tuple[tuple[int, int], ...]:
    if not data or len(data) % 8:
        return ()
    edges = struct.unpack(f"!{len(data) // 4}I", data)
    return tuple(zip(edges[::2], edges[1::2], strict=True))
