"""The filters of raw sockets, run here as the kernel runs them: what they let through, and what not."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from netlab.tcp import bpf, datagram, segment
from netlab.tcp.datagram import Datagram
from netlab.tcp.segment import ACK, SYN, Segment

V4 = bytes([10, 0, 0, 10]), bytes([10, 0, 0, 80])
V6 = bytes.fromhex("fd00" + "0" * 27 + "7"), bytes.fromhex("fd00" + "0" * 26 + "80")
ICMP = {4: 1, 6: 58}
_AT = {"B": 1, "H": 2, "I": 4}


def hears(program: list[bpf.Instruction], data: bytes) -> bool:
    """Run a program as linux/filter.h has it; what is loaded from past the end ends it, unheard."""
    a = x = at = 0
    while True:
        code, if_so, if_not, k = program[at]
        at += 1
        if code in (0x30, 0x28, 0x20, 0x50, 0x48):
            form = {0x30: "B", 0x28: "H", 0x20: "I", 0x50: "B", 0x48: "H"}[code]
            start = k + (x if code in (0x50, 0x48) else 0)
            if start + _AT[form] > len(data):
                return False
            (a,) = struct.unpack_from(f"!{form}", data, start)
        elif code == 0xB1:
            x = (data[k] & 15) * 4
        elif code == 0x54:
            a &= k
        elif code == 0x15:
            at += if_so if a == k else if_not
        else:
            assert code == 0x06, hex(code)
            return k > 0


ports = st.sampled_from((80, 81, 50000))
ends = st.sampled_from((V4, V6)).flatmap(st.permutations)
cases = st.tuples(ends, ports, ports, st.integers(0, 0x3F), st.binary(max_size=4))


def packed(case: tuple[list[bytes], int, int, int, bytes], protocol: int = segment.PROTOCOL) -> bytes:
    """Return a datagram with a segment, or what would be one."""
    (source, destination), source_port, port, flags, data = case
    payload = segment.encode(Segment(source_port, port, 1, 2, flags, 3, data), source, destination)
    return datagram.encode(Datagram(source, destination, protocol, payload))


@given(cases, st.sampled_from((V4[0], V6[0])), st.none() | ports)
def test_a_link_hears_its_peer(
    case: tuple[list[bytes], int, int, int, bytes], peer: bytes, peer_port: int | None
) -> None:
    """TCP from the peer to the port, and from its port alone where there is one; nobody else's."""
    (source, _), source_port, port, _, _ = case
    if len(source) == len(peer):  # a socket is bound to one version
        heard = hears(bpf.segments_from(peer, 80, peer_port), packed(case))
        assert heard == (source == peer and port == 80 and peer_port in (None, source_port))


@given(cases)
def test_a_link_hears_icmp(case: tuple[list[bytes], int, int, int, bytes]) -> None:
    """All of it, whoever sends it; but neither UDP nor what is cut short."""
    version = 4 if len(case[0][0]) == 4 else 6
    program = bpf.segments_from(V4[0] if version == 4 else V6[0], 80)
    assert hears(program, packed(case, ICMP[version]))
    assert not hears(program, packed(case, 17))
    assert not hears(program, packed(case)[:8])


@given(cases)
def test_an_ear_hears_calls(case: tuple[list[bytes], int, int, int, bytes]) -> None:
    """A SYN to the port, from whomever, if it is no answer to one."""
    (source, _), _, port, flags, _ = case
    program = bpf.calls_to(80, 4 if len(source) == 4 else 6)
    assert hears(program, packed(case)) == (port == 80 and flags & (SYN | ACK) == SYN)
    assert not hears(program, packed(case, 17))
