"""Frames of a few flows, for the tests of what a wire does to them."""

from __future__ import annotations

import struct

from tests.unit.report.conftest import Wire as Builder

BUILDER = Builder()
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def tcp(
    data: bytes = b"",
    flags: int = ACK,
    ports: tuple[int, int] = (50000, 80),
    ends: tuple[str, str] = Builder.request,
) -> bytes:
    """Return a frame with a segment, from client to web unless something else is said."""
    return BUILDER.tcp(ends, ports, (1, 1), flags, data)


def udp(
    data: bytes = b"", ports: tuple[int, int] = (50000, 53), ends: tuple[str, str] = Builder.request
) -> bytes:
    """Return a frame with a datagram."""
    return BUILDER.udp(ends, ports, data)


def numbered(number: int, ports: tuple[int, int] = (50000, 53)) -> bytes:
    """Return a datagram that can be told from others."""
    return udp(struct.pack("!I", number), ports)
