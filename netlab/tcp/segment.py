"""A segment: its fields, its bytes, and the checksum over them and both addresses (RFC 9293, section 3.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from netlab.report.checksum import checksum
from netlab.report.headers import ACK, FIN, FLAGS, PSH, RST, SYN, URG
from netlab.tcp import options as codec
from netlab.tcp.options import NO_OPTIONS, Options

__all__ = ["ACK", "FIN", "PSH", "RST", "SYN", "URG", "DamagedError", "Segment", "decode", "encode"]

PROTOCOL = 6  # TCP's number in an IP header
HEADER_LENGTH = 20

_HEADER = struct.Struct("!HHIIHHHH")
_CHECKSUM_AT = 16


class DamagedError(ValueError):
    """Bytes that are no segment, or no longer the one that was sent: to be dropped, and nothing else."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it is on the wire: `seq`, `ack` and `window` are not unwrapped, and not scaled."""

    source_port: int
    destination_port: int
    seq: int
    ack: int = 0
    flags: int = 0
    window: int = 0
    data: bytes = b""
    options: Options = NO_OPTIONS
    urgent: int = 0

    @property
    def length(self) -> int:
        """SEG.LEN: how many sequence numbers it takes; SYN and FIN count as a byte does."""
        return len(self.data) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def flag_names(self) -> str:
        """The flags that are set, as SYN,ACK."""
        return ",".join(name for bit, name in enumerate(FLAGS) if self.flags >> bit & 1) or "none"


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Return what the checksum covers besides the segment: RFC 9293, section 3.1; RFC 8200, section 8.1.

    Addresses are packed, 4 or 16 bytes; `length` is that of header and data.
    """
    tail = struct.pack("!HH", PROTOCOL, length) if len(source) == 4 else struct.pack("!II", length, PROTOCOL)
    return source + destination + tail


def encode(segment: Segment, source: bytes, destination: bytes) -> bytes:
    """Return the segment's bytes, with the checksum that is right between these addresses."""
    options = codec.encode(segment.options)
    size = HEADER_LENGTH + len(options)
    header = _HEADER.pack(
        segment.source_port, segment.destination_port, segment.seq, segment.ack,
        size // 4 << 12 | segment.flags, segment.window, 0, segment.urgent,
    )  # fmt: skip
    data = header + options + segment.data
    total = checksum(pseudo_header(source, destination, len(data)) + data)
    return data[:_CHECKSUM_AT] + total.to_bytes(2) + data[_CHECKSUM_AT + 2 :]


def decode(data: bytes, source: bytes, destination: bytes) -> Segment:
    """Read a segment that came from `source`; DamagedError unless it is whole and its checksum is right."""
    if len(data) < HEADER_LENGTH:
        raise DamagedError(f"{len(data)} bytes, but a header has {HEADER_LENGTH}")
    if checksum(pseudo_header(source, destination, len(data)) + data) != 0:
        raise DamagedError("the checksum is wrong")
    source_port, destination_port, seq, ack, offset_and_flags, window, _, urgent = _HEADER.unpack_from(data)
    size = (offset_and_flags >> 12) * 4
    if not HEADER_LENGTH <= size <= len(data):
        raise DamagedError(f"a data offset of {size // 4} words, in a segment of {len(data)} bytes")
    options = codec.decode(data[HEADER_LENGTH:size])
    flags = offset_and_flags & 0x1FF
    return Segment(source_port, destination_port, seq, ack, flags, window, data[size:], options, urgent)
