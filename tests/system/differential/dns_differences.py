"""Where the builtin DNS server and BIND differ on purpose: each difference with its reason and a question.

A row excuses some parts of an answer, for the questions that it is about and for no other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.wire
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from tests.system.differential.dns_answers import Seen
from tests.system.differential.dns_corpus import ZONES, Asked, Edns, ask

EXTENDED_ERROR = 15  # RFC 8914
KNOWN_OPTIONS = frozenset({*range(1, 4), *range(8, 13), *range(14, 18)})  # to BIND
_SECTIONS = ("answer", "authority", "additional")
_EVERYTHING = "aa additional answer authority edns options question rcode"


@dataclass(frozen=True, slots=True)
class Difference:
    """One row: for what `applies` to, the answers may differ in `parts`; `example` shows it."""

    reason: str
    parts: frozenset[str]
    applies: Callable[[Asked, Seen, Seen], bool]
    example: Asked


def excused(asked: Asked, builtin: Seen, real: Seen) -> frozenset[str]:
    """Return the parts in which two answers may differ."""
    rows = (row for row in DIFFERENCES if row.applies(asked, builtin, real))
    return frozenset().union(*(row.parts for row in rows))


def _rcodes(builtin: Seen, real: Seen) -> tuple[object, object]:
    return builtin.parts.get("rcode"), real.parts.get("rcode")


def _opcode(asked: Asked) -> int:
    return asked.wire[2] >> 3 & 0xF if len(asked.wire) >= 12 else 0


def _sets_cd(asked: Asked, builtin: Seen, real: Seen) -> bool:
    return real.has("CD") and not builtin.has("CD") and bool(asked.wire[3] & 0x10)


def _has_capitals(asked: Asked, builtin: Seen, real: Seen) -> bool:
    return any(0x41 <= octet <= 0x5A for octet in (builtin.wire or b"") + (real.wire or b""))


def _zone_of(name: str) -> dns.name.Name | None:
    found = dns.name.from_text(name)
    origins = (dns.name.from_text(zone.origin) for zone in ZONES)
    return max((one for one in origins if found.is_subdomain(one)), key=len, default=None)


def _more(builtin: Seen, real: Seen) -> list[str] | None:
    """Return the lines that only the builtin server has; None where BIND has some of its own."""
    ours, theirs = builtin.parts, real.parts
    if not all(theirs.get(part, set()) <= ours.get(part, set()) for part in _SECTIONS):
        return None
    return [line for part in _SECTIONS for line in ours.get(part, set()) - theirs.get(part, set())]


def _question_zone(builtin: Seen) -> dns.name.Name | None:
    (question,) = builtin.parts["question"]
    return _zone_of(question.split(" ")[0])


def _leads_to_another_zone(asked: Asked, builtin: Seen, real: Seen) -> bool:
    more = _more(builtin, real) if builtin.wire and real.wire else None
    if not more:
        return False
    own = _question_zone(builtin)
    return own is not None and all(_zone_of(line.split(" ")[0]) != own for line in more)


def _refers(asked: Asked, builtin: Seen, real: Seen) -> bool:
    more = _more(builtin, real) if builtin.wire and real.wire else None
    return bool(more) and all(line.startswith("ns.lab.test. ") for line in more)


def _has_extended_error(asked: Asked, builtin: Seen, real: Seen) -> bool:
    ours, theirs = (each.parts.get("options", frozenset()) for each in (builtin, real))
    return ours == frozenset() != theirs and {code for code, _ in theirs} == {EXTENDED_ERROR}


def _is_refused_unread(asked: Asked, builtin: Seen, real: Seen) -> bool:
    ours, theirs = _rcodes(builtin, real)
    return ours == theirs and ours in ("FORMERR", "BADVERS", "NOTIMP") and not builtin.parts["question"]


def _question(seen: Seen) -> tuple[int, int]:
    """Return type and class of the question that an answer repeats."""
    assert seen.wire is not None
    parser = dns.wire.Parser(seen.wire, 12)
    parser.get_name()
    rdtype, rdclass = parser.get_struct("!HH")
    return rdtype, rdclass


def _is_of_another_class(asked: Asked, builtin: Seen, real: Seen) -> bool:
    found = _rcodes(builtin, real) in (("REFUSED", "FORMERR"), ("REFUSED", "NOTIMP"))
    return found and _question(builtin)[1] != RdataClass.IN


def _is_a_transfer(asked: Asked, builtin: Seen, real: Seen) -> bool:
    if builtin.wire is None or not builtin.parts["question"]:
        return False
    return _question(builtin)[0] in (RdataType.AXFR, RdataType.IXFR) and _rcodes(builtin, real) in (
        ("REFUSED", "FORMERR"),
        ("REFUSED", "NOTAUTH"),
    )


def _notifies_or_updates(asked: Asked, builtin: Seen, real: Seen) -> bool:
    return _opcode(asked) in (4, 5) and _rcodes(builtin, real)[0] == "NOTIMP"


def _is_another_operation(asked: Asked, builtin: Seen, real: Seen) -> bool:
    ours, theirs = _rcodes(builtin, real)
    return _opcode(asked) != 0 and (ours == theirs or (ours, theirs) == ("NOTIMP", "FORMERR"))


def _records(wire: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and data of the records behind the questions, up to where there are none any more."""
    parser = dns.wire.Parser(wire)
    with contextlib.suppress(dns.exception.DNSException):
        _, _, questions, *more = parser.get_struct("!6H")
        for number in range(questions + sum(more)):
            parser.get_name()
            rdtype, _ = parser.get_struct("!HH")
            if number >= questions:
                yield rdtype, parser.get_bytes(parser.get_struct("!IH")[1])


def _has_another_record(asked: Asked, builtin: Seen, real: Seen) -> bool:
    found = _rcodes(builtin, real)[1] == "FORMERR" and _opcode(asked) == 0
    return found and any(rdtype != RdataType.OPT for rdtype, _ in _records(asked.wire))


def _is_small(asked: Asked, builtin: Seen, real: Seen) -> bool:
    if asked.transport != "udp" or real.parts.get("additional"):
        return False
    try:
        message = dns.message.from_wire(asked.wire)
    except dns.exception.DNSException:
        return False
    return message.edns >= 0 and message.payload <= 512


def _has_known_option(asked: Asked, builtin: Seen, real: Seen) -> bool:
    if builtin.wire is None or builtin.parts["options"]:
        return False
    for rdtype, data in _records(asked.wire):
        parser = dns.wire.Parser(data)
        while rdtype == RdataType.OPT and parser.remaining() >= 4:
            code, size = parser.get_struct("!HH")
            if code in KNOWN_OPTIONS:
                return True
            parser.get_bytes(min(size, parser.remaining()))
    return False


def _asks_for_all(asked: Asked, builtin: Seen, real: Seen) -> bool:
    if builtin.wire is None or not builtin.parts["question"] or real.parts.get("additional"):
        return False
    return _question(builtin)[0] == RdataType.ANY


def _is_truncated(asked: Asked, builtin: Seen, real: Seen) -> bool:
    return builtin.has("TC") and real.has("TC")


def _has_trailing_octets(asked: Asked, builtin: Seen, real: Seen) -> bool:
    try:
        dns.message.from_wire(asked.wire)
    except dns.message.TrailingJunk:
        return _rcodes(builtin, real)[0] == "FORMERR"
    except dns.exception.DNSException:
        pass
    return False


def _is_unanswerable(asked: Asked, builtin: Seen, real: Seen) -> bool:
    return asked.transport == "tcp" and builtin.wire is None and real.wire is None and builtin.stays


# A question, and in the additional section a DS without data.
_WITH_DS = (
    ask("www.lab.test").wire[:11]
    + b"\1"
    + ask("www.lab.test").wire[12:]
    + bytes.fromhex("00002b0001000000000000")
)


def _sets_ad(asked: Asked, builtin: Seen, real: Seen) -> bool:
    return real.has("AD") and real.has("TC") and bool(asked.wire[3] & 0x20)


def _row(reason: str, parts: str, applies: Callable[[Asked, Seen, Seen], bool], example: Asked) -> Difference:
    return Difference(reason, frozenset(parts.split()), applies, example)


DIFFERENCES = (
    _row(
        "BIND copies CD into every answer; RFC 4035, section 3.1.6, wants an authoritative server to clear "
        "it",
        "cd",
        _sets_cd,
        ask("www.lab.test", flags=0x0010),
    ),
    _row(
        "BIND calls a truncated answer authentic, if asked, when it holds nothing; nothing is signed here",
        "ad",
        _sets_ad,
        ask("exact469.lab.test", "TXT", flags=0x0020),
    ),
    _row(
        "names are compressed without regard to case (RFC 1035, section 4.1.4), and so take the letters of "
        "the name that they point to, which BIND does only in part (RFC 4343, section 4.1, leaves it open)",
        "case",
        _has_capitals,
        ask("nodata.LAB.test"),
    ),
    _row(
        "without recursion, BIND neither follows an alias into another of its zones nor takes addresses "
        "from there; RFC 1034, section 4.3.2, goes back to step 2, which looks at all zones",
        "answer authority additional",
        _leads_to_another_zone,
        ask("tokid.lab.test"),
    ),
    _row(
        "BIND adds to a referral only glue; RFC 1034, section 4.3.2, step 3b, all addresses that there are",
        "additional",
        _refers,
        ask("host.sub.lab.test", edns=Edns()),
    ),
    _row(
        "BIND explains errors in an option (RFC 8914), which a server may leave out",
        "options",
        _has_extended_error,
        ask("ring.lab.test", edns=Edns()),
    ),
    _row(
        "what cannot be read, or asks several questions, is answered with a header alone; BIND repeats what "
        "it read",
        "question",
        _is_refused_unread,
        ask("www.lab.test", questions=2),
    ),
    _row(
        "every class but IN is refused, as a name of a zone not served; BIND calls them not implemented or "
        "malformed",
        "rcode",
        _is_of_another_class,
        ask("www.lab.test", rdclass=255),
    ),
    _row(
        "zone transfers are refused, whatever the zone; BIND first looks whether it has it, and over UDP "
        "whether the question can be one",
        "rcode",
        _is_a_transfer,
        ask("www.lab.test", "AXFR", "tcp"),
    ),
    _row(
        "the builtin server has no secondaries and no updates, so that NOTIFY and UPDATE are not implemented",
        "rcode question aa rd",
        _notifies_or_updates,
        ask("lab.test", "SOA", flags=4 << 11),
    ),
    _row(
        "for other operations only the header is read, and RD copied (RFC 1035, section 4.1.1); BIND reads "
        "the body as that of a query, and clears RD",
        "rcode rd",
        _is_another_operation,
        Asked(ask("www.lab.test", flags=0x3100).wire[:20]),
    ),
    _row(
        "records behind the question that are no OPT are passed over; BIND looks whether their data is of "
        "their type",
        _EVERYTHING,
        _has_another_record,
        Asked(_WITH_DS),
    ),
    _row(
        "additional addresses are added while there is room; BIND adds none where the client's EDNS has 512 "
        "octets or less, as a mitigation of its own",
        "additional",
        _is_small,
        ask("lab.test", "MX", edns=Edns(512)),
    ),
    _row(
        "additional addresses are added to ANY as to any type; BIND adds none, as a mitigation of its own",
        "additional",
        _asks_for_all,
        ask("mixed.lab.test", "ANY"),
    ),
    _row(
        "a truncated answer ends before the RRset that does not fit (RFC 2181, section 9); BIND puts in a "
        "part of it, and over TCP none",
        "answer authority additional",
        _is_truncated,
        ask("many.lab.test"),
    ),
    _row(
        "no EDNS option is known here, and one that is not known is passed over (RFC 6891, section 6.1.2); "
        "BIND answers those that it knows, and minds their data",
        _EVERYTHING,
        _has_known_option,
        ask("www.lab.test", edns=Edns(options=((8, b"\0\1\0\0"),))),
    ),
    _row(
        "octets behind the last record that the header counts make a message malformed; BIND passes over "
        "them",
        _EVERYTHING,
        _has_trailing_octets,
        Asked(ask("www.lab.test").wire + b"!"),
    ),
    _row(
        "after a message over TCP that cannot have an answer BIND closes; here the next one is waited for",
        "stays",
        _is_unanswerable,
        Asked(b"\0" * 11, "tcp"),
    ),
)
