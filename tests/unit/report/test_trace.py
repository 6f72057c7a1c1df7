"""The trace of a capture: golden files read by a person, its header, its errors, and back again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest

from netlab.errors import InputError, NetlabError
from netlab.report.pcapng import Writer
from netlab.report.trace import Trace, format_trace, read_trace, trace_of_capture

NAMES = {"10.0.0.10": "client", "10.0.0.53": "dns", "10.0.0.80": "web"}
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
PORTS, BACK = (51515, 80), (80, 51515)
START = 1_700_000_000_000_000_000
KERNELS_SYN = bytes.fromhex("020405b4 0402 080a0000000100000000 01 030307")


def record(path: Path, frames: list[bytes], *, dropped: int = 0) -> Path:
    """Write a capture in which a packet follows another every 1204 µs."""
    with path.open("wb") as file:
        writer = Writer(file)
        switch = writer.add_interface("lan", "switch lan")
        writer.add_names(NAMES)
        for number, frame in enumerate(frames):
            writer.packet(switch, START + number * 1_204_000, frame)
        writer.finish(START, len(frames), dropped)
    return path


def lookup(wire: Any) -> list[bytes]:
    """Return a lookup: ARP, the query, the answer."""
    query = dns.message.make_query("www.lab.test.", "A", id=0x1A2B)
    answer = dns.message.make_response(query)
    answer.answer = [dns.rrset.from_text("www.lab.test.", 60, "IN", "A", "10.0.0.80")]
    return [
        wire.arp(1, wire.client, wire.dns),
        wire.udp((wire.client, wire.dns), (49152, 53), query.to_wire()),
        wire.udp((wire.dns, wire.client), (53, 49152), answer.to_wire()),
    ]


def page(wire: Any, isns: tuple[int, int]) -> list[bytes]:
    """Return a handshake, a request, a response of three segments of which one comes twice, and the end."""

    def segment(to_web: bool, flags: int, seq: int, ack: int = 0, data: bytes = b"", **others: Any) -> bytes:
        ends, ports = (wire.request, PORTS) if to_web else (wire.response, BACK)
        mine, yours = isns if to_web else isns[::-1]
        return wire.tcp(ends, ports, (mine + seq, yours + ack), flags, data, **others)

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2903\r\n\r\n"
    return [
        segment(True, SYN, 0, -isns[1], window=8192),
        segment(False, SYN | ACK, 0, 1, options=KERNELS_SYN),
        segment(True, ACK, 1, 1, window=8192),
        segment(True, PSH | ACK, 1, 1, b"GET / HTTP/1.1\r\nHost: www.lab.test\r\n\r\n", window=8192),
        segment(False, ACK, 1, 39, head),
        segment(False, ACK, 1 + len(head) + 1460, 39, b"y" * 1443),
        segment(True, ACK, 39, 1 + len(head), window=8192),
        segment(True, ACK, 39, 1 + len(head), window=8192),
        segment(False, ACK, 1 + len(head), 39, b"x" * 1460),
        segment(False, ACK, 1 + len(head), 39, b"x" * 1460),
        segment(True, ACK, 39, 1 + len(head) + 2903, window=0),
        segment(True, FIN | ACK, 39, 1 + len(head) + 2903, window=8192),
        segment(False, FIN | ACK, 1 + len(head) + 2903, 40),
        segment(True, ACK, 40, 2 + len(head) + 2903, window=8192),
    ]


def rst(wire: Any) -> list[bytes]:
    """Return the handshake that the client's kernel does not know of, and its RST."""
    return [
        wire.tcp(wire.request, PORTS, (1000, 0), SYN, window=8192),
        wire.tcp(wire.response, BACK, (5000, 1001), SYN | ACK, options=KERNELS_SYN),
        wire.tcp(wire.request, PORTS, (1001, 0), RST, window=0),
        wire.tcp(wire.request, PORTS, (1001, 5001), ACK, window=8192),
        wire.tcp(wire.response, BACK, (5001, 0), RST, window=0),
    ]


@pytest.mark.parametrize("name", ["lookup", "page", "rst"])
def test_golden(wire: Any, tmp_path: Path, golden: Callable[[str, str], None], name: str) -> None:
    """A lookup, a page with its trouble on the way, and a RST, each as a person reads it."""
    frames = {"lookup": lookup(wire), "page": page(wire, (2**32 - 1, 7)), "rst": rst(wire)}[name]
    told = trace_of_capture(record(tmp_path / "capture.pcapng", frames))
    text = format_trace(told)
    golden(f"traces/{name}.txt", text)
    assert read_trace(text) == told.lines
    assert told.names == NAMES


def test_the_isns_leave_no_mark_but_one(wire: Any, tmp_path: Path) -> None:
    """The same talk with other ISNs is the same trace, but for that of the SYN, which a seed may decide."""
    traces = []
    for isns in ((0, 0), (2**31, 2**32 - 700)):
        text = format_trace(trace_of_capture(record(tmp_path / "capture.pcapng", page(wire, isns))))
        assert text.count("isn=") == text.count(f" isn={isns[0]}\n") == 1
        traces.append(text.replace(f" isn={isns[0]}\n", "\n"))
    assert traces[0] == traces[1]


def test_packets_are_told_in_the_order_of_their_time(wire: Any, tmp_path: Path) -> None:
    """Several recorders may write into one file a little out of order."""
    path = tmp_path / "capture.pcapng"
    with path.open("wb") as file:
        writer = Writer(file)
        interface = writer.add_interface("lan")
        for time_us, frame in zip((3, 1, 2), lookup(wire), strict=True):
            writer.packet(interface, START + time_us * 1000, frame)
    told = trace_of_capture(path)
    assert [(line.time_us, line.protocol) for line in told.lines] == [(0, "UDP"), (1, "UDP"), (2, "ARP")]


def test_an_incomplete_capture_says_so(wire: Any, tmp_path: Path) -> None:
    """Lost packets, and a recording that was broken off, stand in the header."""
    path = record(tmp_path / "capture.pcapng", lookup(wire), dropped=3)
    with path.open("ab") as file:
        file.write(b"\6\0\0\0\x40")
    told = format_trace(trace_of_capture(path))
    assert "# INCOMPLETE: the recorder lost 3 packets\n# INCOMPLETE: the recording was broken off\n" in told


def test_a_capture_that_its_recorder_did_not_finish_says_so(wire: Any, tmp_path: Path) -> None:
    """A killed recorder's file may end with a whole block: the counters that it ends with are missing."""
    path = record(tmp_path / "capture.pcapng", lookup(wire))
    whole = path.read_bytes()
    assert "INCOMPLETE" not in format_trace(trace_of_capture(path))
    path.write_bytes(whole[: whole.rindex(b"\5\0\0\0", 0, -8)])  # the type of a block of statistics
    told = trace_of_capture(path)
    assert len(told.lines) == 3
    assert "# INCOMPLETE: the recording was broken off\n" in format_trace(told)


def test_a_capture_without_packets_has_a_header_alone(tmp_path: Path) -> None:
    """Whether that is an error, the caller decides."""
    told = trace_of_capture(record(tmp_path / "capture.pcapng", []))
    text = format_trace(told)
    assert told.lines == ()
    assert all(row.startswith("#") for row in text.splitlines())
    assert read_trace(text) == ()


def test_another_kind_of_link_is_refused(tmp_path: Path) -> None:
    """What was recorded on "any" has no Ethernet header, and would be told as nonsense."""
    path = record(tmp_path / "capture.pcapng", [b"x" * 60])
    whole = path.read_bytes()
    interface = whole.index(b"\1\0\0\0", 28) + 8
    path.write_bytes(whole[:interface] + b"\x71" + whole[interface + 1 :])
    with pytest.raises(NetlabError, match=r"lan was not recorded as Ethernet \(link type 113\)"):
        trace_of_capture(path)


def test_a_text_that_is_no_trace_is_refused_with_its_place() -> None:
    """Another file, and every line that is none, are told by file, line and column."""
    with pytest.raises(InputError, match=r"t\.txt:1:1: this is not a trace"):
        read_trace("hello\n", "t.txt")
    with pytest.raises(InputError) as raised:
        read_trace(format_trace(Trace(())) + "what\n\n0.000000  a > b\n", "t.txt")
    assert [(fault.place.line, fault.text) for fault in raised.value.faults] == [
        (5, "what"),
        (7, "0.000000  a > b"),
    ]
