"""What payloads say: DNS messages and HTTP start lines, and nothing for anything else."""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.report.application import application_summary, dns_summary, http_summary
from netlab.report.dissect import dissect


def query(name: str = "www.lab.test.", kind: str = "A", rdclass: str = "IN") -> dns.message.Message:
    """Return a query with a fixed identifier."""
    return dns.message.make_query(name, kind, rdclass, id=0x1A2B)


def response(asked: dns.message.Message, *records: str, rcode: int = 0, flags: int = 0) -> bytes:
    """Return a response with these records, given as `owner type rdata`."""
    message = dns.message.make_response(asked)
    message.flags |= flags
    message.set_rcode(rcode)
    message.answer = [
        dns.rrset.from_text(owner, 60, "IN", kind, data) for owner, kind, data in map(str.split, records)
    ]
    return message.to_wire()


@pytest.mark.parametrize(
    ("wire", "summary"),
    [
        (query().to_wire(), "DNS 0x1a2b A? www.lab.test."),
        (query("version.bind.", "TXT", "CH").to_wire(), "DNS 0x1a2b CH TXT? version.bind."),
        (response(query(), "www.lab.test. A 10.0.0.80"), "DNS 0x1a2b NOERROR www.lab.test. A 10.0.0.80"),
        (
            response(query("w.lab.test."), "w.lab.test. CNAME www.lab.test.", "www.lab.test. A 10.0.0.80"),
            "DNS 0x1a2b NOERROR w.lab.test. CNAME www.lab.test., www.lab.test. A 10.0.0.80",
        ),
        (response(query(), rcode=dns.rcode.NXDOMAIN), "DNS 0x1a2b NXDOMAIN www.lab.test. A"),
        (response(query(kind="AAAA")), "DNS 0x1a2b NOERROR www.lab.test. AAAA no answer"),
        (response(query(), flags=dns.flags.TC), "DNS 0x1a2b NOERROR TC www.lab.test. A no answer"),
        (
            response(query(), *(f"www.lab.test. A 10.0.0.{n}" for n in range(10))),
            "DNS 0x1a2b NOERROR " + ", ".join(f"www.lab.test. A 10.0.0.{n}" for n in range(8)) + ", 2 more",
        ),
        (b"\x1a\x2b", "DNS that does not parse"),
    ],
)
def test_dns(wire: bytes, summary: str) -> None:
    """Identifier, question or response code, records; truncation and emptiness are told."""
    assert dns_summary(wire) == summary


@given(st.binary(max_size=80), st.sampled_from([b"", query().to_wire(), response(query(), "a. A 10.0.0.1")]))
def test_no_bytes_make_it_raise(data: bytes, start: bytes) -> None:
    """Any payload has a summary, if an empty one; so has a sound message with other bytes in its place."""
    assert dns_summary(start[: -len(data) or None] + data).startswith("DNS ")
    http_summary(data)


@given(st.data())
def test_a_changed_byte_does_not_make_it_raise(data: st.DataObject) -> None:
    """A response with bytes changed anywhere is told, or said not to parse."""
    changed = bytearray(response(query(), "www.lab.test. A 10.0.0.80", "lab.test. TXT hello"))
    for _ in range(3):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    assert dns_summary(bytes(changed)).startswith("DNS ")


@pytest.mark.parametrize(
    ("payload", "summary"),
    [
        (b"GET / HTTP/1.1\r\nHost: www.lab.test\r\n\r\n", "GET / HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n\r\nbody", "HTTP/1.1 200 OK"),
        (b"HTTP/1.1 404 \r\n", "HTTP/1.1 404 "),
        (b"GET /" + b"x" * 200 + b" HTTP/1.1\r\n", "GET /" + "x" * 115 + "…"),
        (b"HTTP is a protocol\r\n", ""),
        (b"GET / HTTP/1.1", ""),
        (b"", ""),
    ],
)
def test_http(payload: bytes, summary: str) -> None:
    """A whole start line is shown, and a text that only begins like one is not."""
    assert http_summary(payload) == summary


def test_dns_is_known_by_its_port(wire: Any) -> None:
    """Port 53 on either side, over UDP, and over TCP behind its length; never from another port."""
    message = query().to_wire()
    framed = len(message).to_bytes(2) + message
    frames = [
        wire.udp(wire.request, (5000, 53), message),
        wire.udp(wire.response, (53, 5000), message),
        wire.udp(wire.request, (5000, 5353), message),
        wire.tcp(wire.request, (5000, 53), (1, 1), 0x18, framed),
        wire.tcp(wire.request, (5000, 53), (1, 1), 0x18, framed[:-1]),
    ]
    told = "DNS 0x1a2b A? www.lab.test."
    assert [application_summary(dissect(frame)) for frame in frames] == [told, told, "", told, ""]
