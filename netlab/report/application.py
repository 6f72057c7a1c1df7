"""What a payload says, in a few words: a DNS message, or the first line of an HTTP message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netlab.report.headers import Packet, Tcp, Udp

if TYPE_CHECKING:
    import dns.message

DNS_PORT = 53

_RECORDS_SHOWN = 8
_LINE_SHOWN = 120
_START_LINE = re.compile(rb"([A-Z]{3,20} \S+ HTTP/\d\.\d|HTTP/\d\.\d \d{3}[^\r\n]*)\r?\n")


def application_summary(packet: Packet) -> str:
    """Describe the payload if it is one that is known; otherwise an empty text."""
    transport, payload = packet.transport, packet.payload
    if not payload or len(payload) < packet.payload_length or packet.is_fragment:
        return ""
    if isinstance(transport, Udp) and DNS_PORT in (transport.source_port, transport.destination_port):
        return dns_summary(payload)
    if isinstance(transport, Tcp):
        if DNS_PORT in (transport.source_port, transport.destination_port):
            # RFC 1035, section 4.2.2: over TCP, a message's length precedes it.
            whole = int.from_bytes(payload[:2]) == len(payload) - 2
            return dns_summary(payload[2:]) if whole else ""
        return http_summary(payload)
    return ""


def http_summary(payload: bytes) -> str:
    """Return the start line (RFC 9112, section 2.1) if the payload begins with one."""
    found = _START_LINE.match(payload)
    if not found:
        return ""
    line = found[1].decode("ascii", "backslashreplace")
    return line if len(line) <= _LINE_SHOWN else f"{line[:_LINE_SHOWN]}…"


def dns_summary(message: bytes) -> str:
    """Return identifier, what was asked or the response code, and the answer's records."""
    import struct

    import dns.exception
    import dns.message

    try:
        parsed = dns.message.from_wire(message, ignore_trailing=True)
        return _dns_text(parsed)
    except (dns.exception.DNSException, ValueError, struct.error):
        return "DNS that does not parse"


def _dns_text(message: dns.message.Message) -> str:
    import dns.flags
    import dns.opcode
    import dns.rcode

    words = ["DNS", f"0x{message.id:04x}"]
    if message.opcode() != dns.opcode.QUERY:
        words.append(dns.opcode.to_text(message.opcode()))
    questions = [f"{rrset.name} {_type(rrset.rdclass, rrset.rdtype)}" for rrset in message.question]
    if not message.flags & dns.flags.QR:
        asked = (f"{_type(rrset.rdclass, rrset.rdtype)}? {rrset.name}" for rrset in message.question)
        return " ".join([*words, ", ".join(asked)])
    words.append(dns.rcode.to_text(message.rcode()))
    if message.flags & dns.flags.TC:
        words.append("TC")
    answers = [
        f"{rrset.name} {_type(rrset.rdclass, rrset.rdtype)} {_shortened(str(rdata))}"
        for rrset in message.answer
        for rdata in rrset
    ]
    if not answers:
        nothing = ["no answer"] if message.rcode() == dns.rcode.NOERROR else []
        return " ".join([*words, ", ".join(questions), *nothing])
    if len(answers) > _RECORDS_SHOWN:
        answers[_RECORDS_SHOWN:] = [f"{len(answers) - _RECORDS_SHOWN} more"]
    return " ".join([*words, ", ".join(answers)])


def _type(rdclass: int, rdtype: int) -> str:
    import dns.rdataclass
    import dns.rdatatype

    name = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
    if rdclass == dns.rdataclass.IN:
        return name
    return f"{dns.rdataclass.to_text(dns.rdataclass.RdataClass.make(rdclass))} {name}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LINE_SHOWN else f"{text[:_LINE_SHOWN]}…"
