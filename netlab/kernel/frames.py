"""Frames taken from some interfaces and put on others, as a wire in user space does it: packet_mmap(7).

A ring of TPACKET_V2 hands over each frame as it comes, where that of `netlab.kernel.packets` saves them up.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import socket
import struct
from collections.abc import Iterable, Iterator

from netlab.kernel.filters import hear_only
from netlab.kernel.packets import ETH_P_ALL

_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_COPY_THRESH, _PACKET_VERSION = 5, 6, 7, 10
_PACKET_QDISC_BYPASS, _PACKET_IGNORE_OUTGOING = 20, 23
_TPACKET_V2 = 1
_STATUS_USER, _STATUS_COPY, _STATUS_VLAN_VALID, _STATUS_VLAN_TPID_VALID = 1 << 0, 1 << 1, 1 << 4, 1 << 6
_ETH_P_8021Q = 0x8100
_TAG_AT = 12  # where a VLAN tag stands in a frame: after the addresses
_TAG = struct.Struct("!HH")
_HEAD = struct.Struct("=IIIHHIIHH4xHHi")  # tpacket2_hdr (32 bytes), then the start of sockaddr_ll
_AHEAD = 66  # octets of a slot before its frame
_ETHERNET_AND_TAG = 18

RING_BYTES = 1 << 25  # half a second of 30,000 packets each, while a busy machine holds the reader up
_BLOCK_BYTES = 1 << 18
_LEAST_SLOT = 2048

_SIOCGIFFLAGS, _IFF_RUNNING = 0x8913, 0x40
_PATIENCE = 50  # attempts to put a frame on a link that has no room
_NO_ROOM = (errno.ENOBUFS, errno.EAGAIN)
# The link is not there; or the frame is larger than it may carry, and a bridge would not forward it either.
_NOWHERE = (errno.ENODEV, errno.ENXIO, errno.EMSGSIZE)


class Intake:
    """What some interfaces of the current network namespace take in; `mtu` is the largest of theirs."""

    def __init__(self, mtu: int) -> None:
        self._ring = _Ring(_slot(mtu))
        self._heard: tuple[int, ...] = ()
        self._rest: list[tuple[int, int, bytes]] = []  # of a ring that was before
        self._lost = 0  # by such a ring

    def fileno(self) -> int:
        """Return the descriptor to poll: readable when `read` has something."""
        return self._ring.socket.fileno()

    def fit(self, mtu: int) -> None:
        """Have room for frames of that MTU too; a frame that comes at this moment may come twice."""
        slot = _slot(mtu)
        if slot <= self._ring.slot:
            return
        old, new = self._ring, _Ring(slot)
        hear_only(new.socket, self._heard)
        hear_only(old.socket, ())
        self._rest += old.read()
        self._lost += old.count()
        old.close()
        new.take_lowest_number()
        self._ring = new

    def hear(self, interfaces: Iterable[int]) -> None:
        """Take the frames of these interfaces, by index, which may not be there yet, and of no others."""
        self._heard = tuple(interfaces)
        hear_only(self._ring.socket, self._heard)

    def read(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield what has come: when (ns since the epoch), at which interface, and the frame.

        At most once round the ring, however fast more comes.
        """
        if self._rest:
            rest, self._rest = self._rest, []
            yield from rest
        yield from self._ring.read()

    def count(self) -> int:
        """Return how many frames there was no room for, so far."""
        return self._lost + self._ring.count()

    def close(self) -> None:
        """Let go of the ring."""
        self._ring.close()


def _slot(mtu: int) -> int:
    """Return the octets that a frame of that MTU takes in a ring: a power of two."""
    slot = _LEAST_SLOT
    while slot < _AHEAD + _ETHERNET_AND_TAG + mtu:
        slot *= 2
    return slot


class _Ring:
    """A packet socket whose frames come by way of memory; it hears nothing at first."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        block = max(_BLOCK_BYTES, slot)
        self._slots = RING_BYTES // slot
        self._next = 0
        self._lost = 0
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        self.socket = socket.socket(socket.AF_PACKET, kind, socket.htons(ETH_P_ALL))
        hear_only(self.socket, ())
        with contextlib.suppress(BlockingIOError):  # what came before that
            while True:
                self.socket.recv(1)
        for option, value in (
            (_PACKET_VERSION, _TPACKET_V2),
            (_PACKET_IGNORE_OUTGOING, 1),
            (_PACKET_COPY_THRESH, 1),  # a frame too large for its slot waits in the socket's own queue
        ):
            self.socket.setsockopt(_SOL_PACKET, option, value)
        request = struct.pack("=4I", block, RING_BYTES // block, slot, self._slots)
        self.socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
        self._memory = mmap.mmap(self.socket.fileno(), RING_BYTES, mmap.MAP_SHARED)
        self._words = memoryview(self._memory).cast("I")

    def take_lowest_number(self) -> None:
        """Have the lowest descriptor that is free: select(2) knows no high one."""
        high, self.socket = self.socket, self.socket.dup()
        high.close()

    def read(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield what has come, as `Intake.read` does."""
        memory, words, slot, slots, unpack = (
            self._memory,
            self._words,
            self.slot,
            self._slots,
            _HEAD.unpack_from,
        )
        for _ in range(slots):
            at = self._next * slot
            status = words[at >> 2]
            if not status & _STATUS_USER:
                return
            _, length, kept, mac, _, seconds, nanoseconds, tci, tpid, _, _, interface = unpack(memory, at)
            data = memory[at + mac : at + mac + kept]
            words[at >> 2] = 0
            self._next = (self._next + 1) % slots
            if kept < length:
                whole = self._queued(status, length)
                if whole is None:
                    self._lost += 1
                    continue
                data = whole
            if tci or status & _STATUS_VLAN_VALID:
                # The kernel has taken the outermost tag off.
                tag = _TAG.pack(tpid if status & _STATUS_VLAN_TPID_VALID else _ETH_P_8021Q, tci)
                data = data[:_TAG_AT] + tag + data[_TAG_AT:]
            yield seconds * 1_000_000_000 + nanoseconds, interface, data

    def _queued(self, status: int, length: int) -> bytes | None:
        """Return the frame that its slot had no room for; None where it is not whole."""
        if not status & _STATUS_COPY:
            return None
        try:
            return self.socket.recv(length)
        except BlockingIOError:
            return None

    def count(self) -> int:
        """Return how many frames there was no room for, so far."""
        _, dropped = struct.unpack("=II", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._lost += dropped
        return self._lost

    def close(self) -> None:
        """Let go of the ring."""
        self._words.release()
        self._memory.close()
        self.socket.close()


class Outlet:
    """Where frames leave by an interface of the current network namespace, when it is there."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.lost = 0
        self._socket: socket.socket | None = None

    def put(self, frame: bytes) -> None:
        """Send a frame; one that there is no room for is counted in `lost`, on a dead link it is no loss."""
        try:
            (self._socket or self._open()).send(frame)
        except OSError as error:
            self._put_again(frame, error.errno)

    def _open(self) -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        sock.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        try:
            sock.bind((self.interface, 0))
        except OSError:
            sock.close()
            raise
        self._socket = sock
        return sock

    def _put_again(self, frame: bytes, code: int | None) -> None:
        """Try for a while where there was no room; only the number of an error is kept.

        An error kept in a frame that it was raised in is a cycle, which the relay never collects.
        """
        for _ in range(_PATIENCE):
            if code not in _NO_ROOM or not self._is_running():
                break
            try:
                (self._socket or self._open()).send(frame)
                return
            except OSError as error:
                code = error.errno
        if code in _NOWHERE or (self._socket is not None and not self._is_running()):
            return
        self.lost += 1

    def _is_running(self) -> bool:
        """Whether the interface is there, and something at the other end that hears."""
        if self._socket is None:
            return False
        request = struct.pack("16sh14x", self.interface.encode(), 0)
        try:
            answer = fcntl.ioctl(self._socket, _SIOCGIFFLAGS, request)
        except OSError:
            return False
        return bool(struct.unpack_from("=h", answer, 16)[0] & _IFF_RUNNING)

    def close(self) -> None:
        """Let go of the interface."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
