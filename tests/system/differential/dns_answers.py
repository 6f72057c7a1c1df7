"""What a DNS server said, in a form in which two servers' words can be compared, and shown as dig would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset

from tests.system.differential.dns_corpus import Asked, ask
from tests.system.differential.servers import BUILTIN, REAL, Client

SENTINEL = ask("ns.lab.test").wire
BITS = ("QR", "AA", "TC", "RD", "RA", "AD", "CD")
SECTIONS = frozenset({"question", "answer", "authority", "additional"})
KINDS = {"udp": "datagrams", "tcp": "stream"}


@dataclass(frozen=True)
class Seen:
    """What came back from one server: None where it was silent, and whether the connection stayed."""

    wire: bytes | None
    stays: bool

    def has(self, bit: str) -> bool:
        """Whether a flag is set."""
        flag = dns.flags.Flag[bit]
        return self.wire is not None and bool(int.from_bytes(self.wire[2:4], "big") & flag)

    @cached_property
    def parts(self) -> dict[str, object]:
        """Return all that is compared, by name; section by section the RRs as a set, in their own case."""
        if self.wire is None:
            return {"answered": False, "stays": self.stays}
        message = _read(self.wire)
        told: dict[str, object] = {"answered": True, "stays": self.stays}
        told |= {bit.lower(): self.has(bit) for bit in BITS}
        told |= {"z": self.wire[3] >> 6 & 1, "id": message.id}
        told |= {"opcode": self.wire[2] >> 3 & 0xF, "rcode": dns.rcode.to_text(message.rcode())}
        sections = zip(("question", "answer", "authority", "additional"), message.sections, strict=True)
        lines = {name: frozenset(_lines(section)) for name, section in sections}
        told |= {name: frozenset(map(str.lower, each)) for name, each in lines.items()}
        told["case"] = frozenset().union(*lines.values())
        told["edns"] = (message.edns, message.payload, message.ednsflags)
        told["options"] = frozenset((option.otype, option.to_wire()) for option in message.options)
        return told


def _read(wire: bytes) -> dns.message.Message:
    """Read a message to its last byte; dnspython would understand that of an UPDATE in another way."""
    return dns.message.from_wire(wire[:2] + bytes([wire[2] & 0x87]) + wire[3:])


def _lines(section: list[dns.rrset.RRset]) -> Iterator[str]:
    for rrset in section:
        if not rrset:  # a question
            yield str(rrset)
        yield from (f"{rrset.name} {rrset.ttl} {rrset.rdclass} {rrset.rdtype} {rdata}" for rdata in rrset)


def exchange(client: Client, asked: Asked) -> tuple[Seen, Seen]:
    """Ask both servers; behind the message goes a question that has an answer, so that silence is heard."""
    number = bytes(octet ^ 0x55 for octet in asked.wire[:2].ljust(2, b"\0"))
    messages = [asked.wire, number + SENTINEL[2:]]
    told = client.exchange(KINDS[asked.transport], {BUILTIN: messages, REAL: messages})
    return _seen(told[BUILTIN], number), _seen(told[REAL], number)


def _seen(told: list[str], number: bytes) -> Seen:
    answers = [bytes.fromhex(one) for one in told]
    stays = bool(answers) and answers[-1][:2] == number
    own = answers[: len(answers) - stays]
    assert len(own) <= 1, "more than one answer to one message"
    return Seen(own[0] if own else None, stays)


def differing(builtin: Seen, real: Seen) -> frozenset[str]:
    """Return the names of the parts in which two answers differ."""
    ours, theirs = builtin.parts, real.parts
    found = {part for part in ours.keys() & theirs.keys() if ours[part] != theirs[part]}
    # Where the records are others, nothing follows from their spelling.
    return frozenset(found - {"case"} if found & SECTIONS else found)


def told(asked: Asked, builtin: Seen, real: Seen) -> str:
    """Show an exchange as dig would."""
    parts = ", ".join(sorted(differing(builtin, real)))
    heads = (f";; differs in: {parts}", f";; query, {asked.transport}", ";; builtin", ";; BIND")
    bodies = ("", _text(asked.wire), _text(builtin.wire), _text(real.wire))
    return "\n".join(f"\n{head}\n{body}" for head, body in zip(heads, bodies, strict=True))


def _text(wire: bytes | None) -> str:
    if wire is None:
        return "; no answer"
    try:
        text = _read(wire).to_text().replace("opcode QUERY", f"opcode {wire[2] >> 3 & 0xF}", 1)
    except (dns.exception.DNSException, IndexError) as error:
        text = f"; {type(error).__name__}: {error}"
    lines = text.splitlines()
    more = [f"; and {len(lines) - 40} lines more"] if len(lines) > 40 else []
    return "\n".join([*lines[:40], *more, f"; {len(wire)} bytes: {wire[:300].hex()}"])
