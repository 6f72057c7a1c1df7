"""What a raw socket of `link` is to hear: programs of classic BPF (linux/filter.h), for datagrams."""

from __future__ import annotations

from netlab.tcp.segment import ACK, PROTOCOL, SYN

Instruction = tuple[int, int, int, int]
"""Its code; how many to skip if what it asks for is so, and if not; its number."""

# Load a byte, half, word; the same behind IPv4's header, once X has its length; and; jump if equal; return.
_LDB, _LDH, _LD, _LDB_X, _LDH_X, _LDX_IHL, _AND = 0x30, 0x28, 0x20, 0x50, 0x48, 0xB1, 0x54
_JEQ, _RET = 0x15, 0x06
_ALL = 65536  # bytes of a packet that is heard
_ICMP = {4: 1, 6: 58}
_PROTOCOL = {4: (_LDB, 0, 0, 9), 6: (_LDB, 0, 0, 6)}
_SOURCE = {4: 12, 6: 8}
_HEADER_V6 = 40  # extension headers are not looked behind: no TCP of ours meets any
_FLAGS = 13  # where they are in TCP's header

Test = tuple[list[Instruction], int]
"""Instructions that load something, and what it must be."""


def segments_from(peer: bytes, port: int, peer_port: int | None = None) -> list[Instruction]:
    """Hear TCP from an address, packed, to a port, from one port or any; and all of ICMP."""
    version = 4 if len(peer) == 4 else 6
    tests: list[Test] = [([], PROTOCOL)]
    for at in range(0, len(peer), 4):
        tests.append(([(_LD, 0, 0, _SOURCE[version] + at)], int.from_bytes(peer[at : at + 4])))
    if peer_port is not None:
        tests.append((_tcp_field(version, 0, 2), peer_port))
    tests.append((_tcp_field(version, 2, 2), port))
    program = _where_all_hold(tests)
    # The accepting instruction is the last but one.
    return [_PROTOCOL[version], (_JEQ, len(program) - 2, 0, _ICMP[version]), *program]


def calls_to(port: int, version: int) -> list[Instruction]:
    """Hear SYNs to a port: those without ACK, which open a connection."""
    flags = [*_tcp_field(version, _FLAGS, 1), (_AND, 0, 0, SYN | ACK)]
    tests = [([_PROTOCOL[version]], PROTOCOL), (_tcp_field(version, 2, 2), port), (flags, SYN)]
    return _where_all_hold(tests)


def _tcp_field(version: int, offset: int, size: int) -> list[Instruction]:
    """Load a field of TCP's header, of one byte or two."""
    if version == 6:
        return [(_LDB if size == 1 else _LDH, 0, 0, _HEADER_V6 + offset)]
    return [(_LDX_IHL, 0, 0, 0), (_LDB_X if size == 1 else _LDH_X, 0, 0, offset)]


def _where_all_hold(tests: list[Test]) -> list[Instruction]:
    size = sum(len(loading) + 1 for loading, _ in tests)
    program: list[Instruction] = []
    for loading, value in tests:
        program += loading
        program.append((_JEQ, 0, size - len(program), value))
    return [*program, (_RET, 0, 0, _ALL), (_RET, 0, 0, 0)]
