"""The ring's reader against blocks laid out as packet_mmap(7) has them, a file being the memory."""

from __future__ import annotations

import itertools
import struct
import tempfile
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.kernel.packets import BLOCK_BYTES, BLOCKS, Ring, Sniffed

OUTGOING, HOST = 4, 0  # sockaddr_ll's packet types
USER = 1
FIRST, MAC = (
    48,
    82,
)  # offsets: of a block's first packet, of a packet's data after tpacket3_hdr and sockaddr_ll

PACKETS = st.builds(
    Sniffed,
    time_ns=st.integers(0, (1 << 32) * 1_000_000_000 - 1),
    interface=st.integers(1, 1 << 20),
    data=st.binary(min_size=14, max_size=1514),
    length=st.integers(14, 1 << 16),
    outgoing=st.booleans(),
)


def lay(memory: Any, block: int, packets: Sequence[Sniffed], vlan: tuple[int, int, int] = (0, 0, 0)) -> None:
    """Write a block as the kernel hands it over; `vlan` is a packet's status, its tag's TCI and its TPID."""
    base = block % BLOCKS * BLOCK_BYTES
    at = base + FIRST
    for number, packet in enumerate(packets):
        size = -(-(MAC + len(packet.data)) // 16) * 16
        following = size if number < len(packets) - 1 else 0
        seconds, nanoseconds = divmod(packet.time_ns, 1_000_000_000)
        head = (following, seconds, nanoseconds, len(packet.data), packet.length, vlan[0], MAC, MAC + 14)
        kind = OUTGOING if packet.outgoing else HOST
        memory.seek(at)
        memory.write(
            struct.pack("=IIIIIIHH4xIH10x", *head, *vlan[1:])
            + struct.pack("=HHiHBB8x", 17, 8, packet.interface, 1, kind, 6)
        )
        memory.seek(at + MAC)
        memory.write(packet.data)
        at += size
    memory.seek(base)
    memory.write(struct.pack("=IIIII", 1, 0, USER, len(packets), FIRST))


def status(memory: Any, block: int) -> int:
    """Return whose a block is: the kernel's (0) or the reader's (1)."""
    memory.seek(block % BLOCKS * BLOCK_BYTES + 8)
    return int(struct.unpack("=I", memory.read(4))[0])


@settings(max_examples=30)
@given(blocks=st.lists(st.lists(PACKETS, min_size=1, max_size=6), max_size=2 * BLOCKS + 3))
def test_every_packet_comes_once_and_in_order(blocks: list[list[Sniffed]]) -> None:
    """Whatever the kernel lays into the ring, round and round, is read as it was; blocks are given back."""
    with tempfile.TemporaryFile(buffering=0) as memory:
        memory.truncate(BLOCK_BYTES * BLOCKS)
        ring = Ring(memory)  # type: ignore[arg-type]  # a file has a descriptor too
        assert list(ring.read()) == []
        numbered = enumerate(blocks)
        # Up to four blocks are ready at a time.
        while chunk := list(itertools.islice(numbered, 4)):
            for number, packets in chunk:
                lay(memory, number, packets)
            assert list(ring.read()) == [packet for _, packets in chunk for packet in packets]
            assert [status(memory, number) for number, _ in chunk] == [0] * len(chunk)
        assert list(ring.read()) == []


def test_a_block_is_kept_until_it_is_read() -> None:
    """A block goes back after its last packet, not before: a slow reader's data is not overwritten."""
    packets = [Sniffed(number, 2, bytes([number]) * 60, 60, False) for number in range(3)]
    with tempfile.TemporaryFile(buffering=0) as memory:
        memory.truncate(BLOCK_BYTES * BLOCKS)
        lay(memory, 0, packets)
        ring = Ring(memory)  # type: ignore[arg-type]  # as above
        reading = ring.read()
        for packet in packets:
            assert next(reading) == packet
            assert status(memory, 0) == USER
        assert list(reading) == []
        assert status(memory, 0) == 0


@pytest.mark.parametrize(
    ("vlan", "tag"),
    [
        ((0x51, 0x6007, 0x8100), "81006007"),
        ((0x51, 0, 0x8100), "81000000"),  # a priority tag
        ((0x51, 7, 0x88A8), "88a80007"),  # a provider's
        ((0x11, 7, 0), "81000007"),  # a kernel that does not tell the protocol
        ((0x01, 0, 0x8100), ""),
    ],
)
def test_a_vlan_tag_is_put_back(vlan: tuple[int, int, int], tag: str) -> None:
    """The kernel hands a frame's outermost tag over beside it: it goes where it was, and counts."""
    untagged = Sniffed(1, 2, bytes(range(60)), 60, False)
    with tempfile.TemporaryFile(buffering=0) as memory:
        memory.truncate(BLOCK_BYTES * BLOCKS)
        lay(memory, 0, [untagged] * 2, vlan)
        read = list(Ring(memory).read())  # type: ignore[arg-type]  # as above
    data = untagged.data[:12] + bytes.fromhex(tag) + untagged.data[12:]
    assert read == [Sniffed(1, 2, data, len(data), False)] * 2


def test_a_round_ends_however_fast_packets_come() -> None:
    """What is laid down while it is read is for the next round: a reader gets to look at other things."""
    packet = Sniffed(1, 2, bytes(60), 60, False)
    with tempfile.TemporaryFile(buffering=0) as memory:
        memory.truncate(BLOCK_BYTES * BLOCKS)
        for block in range(BLOCKS):
            lay(memory, block, [packet])
        ring = Ring(memory)  # type: ignore[arg-type]  # as above
        for number, _ in enumerate(ring.read()):
            assert number < BLOCKS
            if number:
                lay(memory, number - 1, [packet])
        assert ring.blocks == BLOCKS
