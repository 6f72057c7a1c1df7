"""What an ICMP error says of a connection: RFC 9293, section 3.9.2.2; RFC 1191, RFC 8201; RFC 5927."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from netlab.tcp.block import Block, Failure
from netlab.tcp.datagram import decode_start
from netlab.tcp.segment import PROTOCOL, DamagedError
from netlab.tcp.sequence import unwrap
from netlab.tcp.states import SYNCHRONIZED, State

ICMP, ICMPV6 = 1, 58  # protocol numbers

_UNREACHABLE, _TIME_EXCEEDED, _PARAMETER = 3, 11, 12
_UNREACHABLE_V6, _TOO_BIG_V6, _TIME_EXCEEDED_V6, _PARAMETER_V6 = 1, 2, 3, 4
_FRAGMENTATION_NEEDED = 4
_HARD = {4: frozenset({2, 3}), 6: frozenset({1, 4})}  # codes of "unreachable" that time does not cure
_LEAST_MTU = {4: 576, 6: 1280}  # below these, a report is not believed
_HEADERS = {4: 40, 6: 60}  # IP's and TCP's, without options


class Kind(Enum):
    """What an error means to TCP."""

    HARD = "hard error"
    SOFT = "soft error"
    TOO_BIG = "packet too big"


@dataclass(frozen=True, slots=True)
class Report:
    """An ICMP error about a segment of ours: between which ports and with which number; `mtu` where told."""

    kind: Kind
    source_port: int
    destination_port: int
    seq: int
    mtu: int
    words: str


def decode(data: bytes, version: int) -> Report | None:
    """Read an ICMP (4) or ICMPv6 (6) message; None where it is no error about a TCP segment."""
    if len(data) < 8:
        return None
    kind, code, _, _, mtu = struct.unpack_from("!BBHHH", data)
    if version == 6:
        mtu = int.from_bytes(data[4:8])
    meaning = _meaning(kind, code, version)
    if meaning is None:
        return None
    try:
        quoted = decode_start(data[8:])
    except DamagedError:
        return None
    if quoted.protocol != PROTOCOL or len(quoted.payload) < 8:
        return None
    source_port, destination_port, seq = struct.unpack_from("!HHI", quoted.payload)
    words = f"ICMP{'v6' if version == 6 else ''} type {kind}, code {code}"
    return Report(meaning, source_port, destination_port, seq, mtu, words)


def _meaning(kind: int, code: int, version: int) -> Kind | None:
    """Classify an error; what is none, as a source quench, is None and ignored (RFC 9293, MUST-55)."""
    if (version, kind, code) == (4, _UNREACHABLE, _FRAGMENTATION_NEEDED) or (version, kind) == (
        6,
        _TOO_BIG_V6,
    ):
        return Kind.TOO_BIG
    unreachable = _UNREACHABLE if version == 4 else _UNREACHABLE_V6
    if kind == unreachable:
        return Kind.HARD if code in _HARD[version] else Kind.SOFT
    soft = (_TIME_EXCEEDED, _PARAMETER) if version == 4 else (_TIME_EXCEEDED_V6, _PARAMETER_V6)
    return Kind.SOFT if kind in soft else None


def report_arrives(block: Block, report: Report, now: float) -> None:
    """Let an error arrive. It is believed where it quotes a number that is under way (RFC 5927, section 4.1).

    A hard error ends an open that is not complete; later it is taken for a soft one (RFC 5461, section 4),
    which ends nothing, and is kept for the user (MUST-54, SHLD-25).
    """
    sender = block.sender
    seq = unwrap(report.seq, sender.una)
    if block.state in (State.CLOSED, State.LISTEN) or not sender.una <= seq < sender.nxt:
        return
    if report.kind is Kind.TOO_BIG:
        _path_mtu(block, report.mtu)
    elif report.kind is Kind.HARD and block.state not in SYNCHRONIZED:
        block.advice = report.words
        block.end(Failure.UNREACHABLE, now)
    else:
        block.advice = report.words
    block.output(now)


def _path_mtu(block: Block, mtu: int) -> None:
    """Send smaller segments from now on (RFC 1191, section 3; RFC 8201, section 4)."""
    version = 6 if block.is_ipv6 else 4
    options = 12 if block.timestamps else 0
    size = max(mtu, _LEAST_MTU[version]) - _HEADERS[version] - options
    if size < block.sender.mss and block.state in SYNCHRONIZED:
        block.sender.resegment(size)
