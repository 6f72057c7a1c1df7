"""Packets as the kernel saw them: an AF_PACKET socket with a ring in shared memory (packet_mmap(7)).

The ring holds megabytes where a socket's own buffer is limited to some 200 KiB for ordinary users, so
that a reader who is not scheduled for a while loses nothing. What is lost all the same is counted.
"""

from __future__ import annotations

import mmap
import select
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netlab.kernel.filters import hear_only

ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_RX_RING = 5
_PACKET_STATISTICS = 6
_PACKET_VERSION = 10
_PACKET_IGNORE_OUTGOING = 23
_TPACKET_V3 = 2
_STATUS_USER = 1
_STATUS_VLAN_VALID, _STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
_ETH_P_8021Q = 0x8100
_TAG_AT = 12  # where a VLAN tag stands in a frame: after the addresses

BLOCK_BYTES = 1 << 18
BLOCKS = 64  # 16 MiB: what TCP sends while a busy machine holds the reader up
RETIRE_MS = 10  # a block that is not full is handed over after this time

_BLOCK = struct.Struct("=8xIII")  # tpacket_hdr_v1: status, number of packets, offset of the first
_HEADER = struct.Struct("=IIIIIIHH4xIH10xHHiHB")  # tpacket3_hdr (48 bytes), then sockaddr_ll
_STATUS = struct.Struct("=I")
_TAG = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Sniffed:
    """One packet: when (ns since the epoch), at which interface (index), its bytes and length on the wire."""

    time_ns: int
    interface: int
    data: bytes
    length: int
    outgoing: bool


def packet_socket(*, ignore_outgoing: bool) -> socket.socket:
    """Open a socket that hears every interface of the current network namespace, with its ring."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
    if ignore_outgoing:
        sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    frame = 2048
    request = struct.pack("=7I", BLOCK_BYTES, BLOCKS, frame, BLOCK_BYTES // frame * BLOCKS, RETIRE_MS, 0, 0)
    sock.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
    return sock


class Ring:
    """The reading side of `packet_socket`; it may live in another process than the one that opened it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._memory = mmap.mmap(sock.fileno(), BLOCK_BYTES * BLOCKS, mmap.MAP_SHARED)
        self._next = 0
        self.blocks = 0  # how many have been read to their end
        self.received = 0
        self.dropped = 0

    def fileno(self) -> int:
        """Return the descriptor to poll: readable when `read` has something."""
        return self._sock.fileno()

    def hear(self, interfaces: Iterable[int]) -> None:
        """Take the packets of these interfaces, by index, and of no others, from now on."""
        hear_only(self._sock, interfaces)

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read; False when the time is over first."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def read(self) -> Iterator[Sniffed]:
        """Yield the packets of every block that is ready now, in order of arrival.

        It ends after one round, however fast new ones come: all that was there before has been read then.
        """
        for _ in range(BLOCKS):
            block = self._next * BLOCK_BYTES
            status, count, offset = _BLOCK.unpack_from(self._memory, block)
            if not status & _STATUS_USER:
                return
            at = block + offset
            for _ in range(count):
                packet, step = self._packet(at)
                yield packet
                at += step
            _STATUS.pack_into(self._memory, block + 8, 0)
            self._next = (self._next + 1) % BLOCKS
            self.blocks += 1

    def drain(self) -> Iterator[Sniffed]:
        """Yield what has arrived, until nothing new has come for longer than a block is held back."""
        yield from self.read()
        while self.wait(RETIRE_MS * 3 / 1000):
            yield from self.read()

    def count(self) -> None:
        """Add the kernel's own counters, which it resets as it tells them, to `received` and `dropped`."""
        received, dropped, _ = struct.unpack(
            "=III", self._sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12)
        )
        self.received += received
        self.dropped += dropped

    def _packet(self, at: int) -> tuple[Sniffed, int]:
        header = _HEADER.unpack_from(self._memory, at)
        step, seconds, nanoseconds, kept, length, status, mac, _, tci, tpid, _, _, interface, _, kind = header
        data = self._memory[at + mac : at + mac + kept]
        if (tci or status & _STATUS_VLAN_VALID) and kept >= _TAG_AT:
            # The kernel takes the outermost tag off a frame that comes in, and hands it over beside it.
            tag = _TAG.pack(tpid if status & _STATUS_VLAN_TPID_VALID else _ETH_P_8021Q, tci)
            data = data[:_TAG_AT] + tag + data[_TAG_AT:]
            length += _TAG.size
        time_ns = seconds * 1_000_000_000 + nanoseconds
        return Sniffed(time_ns, interface, data, length, kind == socket.PACKET_OUTGOING), step
