"""A zone as a standard zone file (RFC 1035, section 5): its entries to records, whose data dnspython reads.

`netlab.topology.masterfile` has the syntax; `netlab.topology.zones` completes the zone, as it does a map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from netlab.topology import masterfile, values
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.files import MAX_BYTES, beside
from netlab.topology.masterfile import Row, Token
from netlab.topology.model import Record
from netlab.topology.reader import Scalar
from netlab.topology.records import (
    NAMING,
    ROOT,
    Entry,
    a,
    absolute,
    is_address,
    is_too_long,
    no_final_dot,
    read_data,
    within,
)
from netlab.topology.vocabulary import RECORD_TYPES

if TYPE_CHECKING:
    import dns.name
    import dns.rdata

PATH = "the path of a zone file, relative to this file, as zones/lab.test.zone"
MOST_TTL = 2**31 - 1  # seconds, RFC 2181, section 8

_LONG = 10_000  # characters; of what is shorter, no type's data is too long for a message

_IN = ("IN", "CLASS1")
_CLASS = re.compile(r"CLASS[0-9]{1,5}")  # RFC 3597, section 5
_CLASSES = ("CH", "CS", "HS", "NONE", "ANY")
_DIRECTIVES = ("$ORIGIN", "$TTL")
_REFUSED = {
    "$INCLUDE": ("a zone file includes no other: a lab has each zone in one file", "write its records here"),
    "$GENERATE": ("$GENERATE is BIND's own, and no standard zone file's", "write out the records"),
}
_NAMES = {"SOA": 2}  # type → how many of its first tokens are names; in NAMING and SRV it is the last


@dataclass(slots=True)
class Sources:
    """The zone files of one topology: `left` bytes of them may still be read, each use counted.

    `entries` are all records that its author wrote, in maps too, but none of a file that it extends.
    """

    directory: Path
    left: int = MAX_BYTES
    texts: dict[Path, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def read(self, value: Scalar, faults: Faults) -> tuple[Path, str] | None:
        """Return the file that a text in the place of a zone's map names; None with the fault noted."""
        word = values.text(value, PATH, faults, bool)
        if word is None:
            return None
        if is_address(word, "AAAA" if ":" in word else "A"):
            what = f"{shown(word)} is an address, and a zone has names"
            faults.add(value.mark, what, f"write {{'@': {word}}}, or {PATH}")
            return None
        path = beside(value.mark, self.directory) / word
        if path not in self.texts:
            try:
                text = _text(path, word, value.mark, faults)
            except (OSError, ValueError) as error:
                reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
                faults.add(value.mark, f"{shown(word)} cannot be read: {reason}", f"write {PATH}")
                return None
            if text is None:
                return None
            self.texts[path] = text
        text = self.texts[path]
        before, self.left = self.left, self.left - len(text)
        if self.left < 0:
            if before >= 0:  # those after it are not told
                what = "the zone files of all servers are larger than 1 MiB together"
                faults.add(value.mark, what, "a lab needs far less")
            return None
        return path, text


def _text(path: Path, word: str, mark: Mark, faults: Faults) -> str | None:
    """Return what a file holds; of one that is too long, no more than shows that."""
    if path.is_dir():
        faults.add(mark, f"{shown(word)} is a directory", "name the zone file in it")
        return None
    if path.exists() and not path.is_file():
        # A pipe or a terminal: nobody may be there to write to it.
        faults.add(mark, f"{shown(word)} is no ordinary file", f"write {PATH}")
        return None
    if not path.exists():
        hint = "make it, or correct the path: it is relative to this file"
        faults.add(mark, f"there is no file {shown(word)}", hint)
        return None
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        faults.add(mark, f"{shown(word)} is larger than 1 MiB", "a lab's zone needs far less")
        return None
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        faults.add_file(str(path), data.decode(errors="replace"))
        faults.add(
            Mark(line, column, file=str(path)), "the zone file is not UTF-8", "save it in that encoding"
        )
        return None
    faults.add_file(str(path), text)
    return text


@dataclass(frozen=True, slots=True)
class Target:
    """The zone that a file is read for: its name without the final dot; the search domain; who serves it."""

    origin: str
    search: str
    engine: str


def entries(text: str, file: str, target: Target, faults: Faults) -> list[Entry]:
    """Return the records of a zone file, with absolute names; what is wrong with it is noted."""
    reading = _Reading(target, faults, target.origin)
    return [entry for row in masterfile.rows(text, file, faults) for entry in reading.row(row)]


class _FaultError(Exception):
    """An entry is no good: the fault is noted."""


@dataclass(slots=True)
class _Reading:
    """A zone file being read; `current` is what names are relative to, without the final dot."""

    target: Target
    faults: Faults
    current: str
    owner: str | None = None
    ttl: int | None = None  # the last one stated
    default: int | None = None  # $TTL, RFC 2308, section 4
    minimum: int | None = None  # the SOA's: where neither is known, as servers have it
    origins: dict[str, dns.name.Name] = field(default_factory=dict)  # what `current` was, as dnspython has it
    named: bool = False  # whether any entry has had a name, be it a bad one

    def row(self, row: Row) -> Iterator[Entry]:
        """Yield the record of an entry, if it has one and that is sound."""
        first = row.tokens[0]
        try:
            if first.text.startswith("$") and not row.indented:
                self._directive(first, row.tokens[1:])
            else:
                yield self._entry(row)
        except _FaultError:
            pass

    # -- directives ------------------------------------------------------------------------------

    def _directive(self, token: Token, rest: tuple[Token, ...]) -> None:
        word = token.text.upper()
        if word in _REFUSED:
            self._refuse(token, *_REFUSED[word])
        if word not in _DIRECTIVES:
            self._refuse(
                token, f"unknown directive {shown(token.text)}", values.suggest(token.text, _DIRECTIVES)
            )
        example = "$ORIGIN lab.test." if word == "$ORIGIN" else "$TTL 300"
        if len(rest) != 1:
            mark = rest[1].mark if rest else token.mark
            self._refuse(mark, f"{word} has one value", f"write it as {example}")
        if word == "$ORIGIN":
            self.current = self._name(rest[0]).removesuffix(".") or ROOT
            return
        self.default = self._ttl(rest[0])
        if self.default is None:
            self._refuse(rest[0], f"{shown(rest[0].text)} is no TTL", f"write it as {example}")

    # -- records ---------------------------------------------------------------------------------

    def _entry(self, row: Row) -> Entry:
        tokens = row.tokens
        owner = self._owner(row)
        left = list(tokens if row.indented else tokens[1:])
        ttl = self._ttl_and_class(left)
        if not left:
            self._refuse(tokens[-1], "a record without a type", "write it as www A 10.0.0.80")
        kind = self._type(left[0], row)
        rdata = self._rdata(kind, left[0], left[1:])
        if kind == "SOA" and self.minimum is None:
            self.minimum = int(rdata.rpartition(" ")[2])
        if ttl is None:
            known = (self.default, self.ttl, self.minimum)
            ttl = next((one for one in known if one is not None), None)
        return Entry(Record(owner, kind, rdata, ttl), _all(left[1:]))

    def _owner(self, row: Row) -> str:
        """Return the absolute name that a record is of, with the final dot."""
        token = row.tokens[0]
        if not row.indented:
            # What is wrong with it is not told again of those that follow it.
            self.named, self.owner = True, None
            self.owner = self._name(token)
            if not within(self.owner.removesuffix("."), self.target.origin):
                what = f"{shown(token.text)} lies outside the zone {shown(self.target.origin)}"
                self.owner = None
                self._refuse(token, what, "write a name relative to the zone, as www, or give it a zone")
        elif self.owner is None:
            if not self.named:
                self.named = True
                what = "a record of no name: the line begins with a blank, and none stands above it"
                self._refuse(token, what, "begin it with a name; @ is the zone itself")
            raise _FaultError
        return self.owner

    def _ttl_and_class(self, left: list[Token]) -> int | None:
        """Take TTL and class off a record's tokens, in whichever order (RFC 1035, section 5.1)."""
        ttl: int | None = None
        seen = set()
        while left:
            token = left[0]
            word = token.text.upper()
            if "class" not in seen and (word in (*_IN, *_CLASSES) or _CLASS.fullmatch(word)):
                if word not in _IN:
                    self._refuse(token, f"a record of class {word}", "the lab's zones are of class IN")
                seen.add("class")
            elif ttl is None and word[:1].isdigit() and (ttl := self._ttl(token)) is not None:
                self.ttl = ttl
            else:
                break
            del left[0]
        return ttl

    def _ttl(self, token: Token) -> int | None:
        """Return seconds, from 300 or 1h30m; None where it is neither."""
        import dns.ttl

        if token.text.isascii() and token.text.isdigit() and int(token.text[:20]) > MOST_TTL:
            what = f"{shown(token.text)} is out of range: a TTL has at most {MOST_TTL} seconds (RFC 2181)"
            self._refuse(token, what, "write fewer, as 300")
        try:
            return int(dns.ttl.from_text(token.text))
        except dns.ttl.BadTTL:
            return None

    def _type(self, token: Token, row: Row) -> str:
        """Return a record's type as dnspython writes it, if a zone may have such."""
        import dns.rdatatype

        try:
            kind = dns.rdatatype.from_text(token.text)
        except (dns.rdatatype.UnknownRdatatype, ValueError):
            hint = values.suggest(token.text, tuple(RECORD_TYPES))
            if not row.indented and self._is_data(row.tokens[0].text.upper(), row.tokens[1:]):
                hint = (
                    f"to write {a(row.tokens[0].text.upper())} of the name above, begin the line with a blank"
                )
            self._refuse(token, f"unknown record type {shown(token.text)}", hint)
        word = dns.rdatatype.to_text(kind)
        if dns.rdatatype.is_metatype(kind):
            self._refuse(token, f"{word} is a type of questions, not of records", "delete this record")
        if word == "DNAME" and self.target.engine == "builtin":
            self._refuse(token, "the builtin engine has no DNAME", "write a CNAME for each name")
        return word

    def _is_data(self, kind: str, tokens: tuple[Token, ...]) -> bool:
        """Say whether an entry without its owner would be data of a type; hosts, too, are named ns or mx."""
        import dns.exception

        if kind not in RECORD_TYPES or (kind == "TXT" and not tokens[0].quoted):
            return False
        try:
            read_data(kind, _joined(tokens), self._origin)
        except (dns.exception.DNSException, ValueError, ArithmeticError, LookupError):
            return False
        return True

    def _rdata(self, kind: str, at: Token, tokens: list[Token]) -> str:
        """Return a record's data in canonical form, with absolute names."""
        import dns.exception

        example = RECORD_TYPES.get(kind)
        if not tokens:
            self._refuse(at, f"{a(kind)} record without data", f"write {example or 'what it says'}")
        self._check_names(kind, tokens)
        text = _joined(tokens)
        mark = _all(tokens)
        try:
            rdata = read_data(kind, text, self._origin)
        except (dns.exception.DNSException, ValueError, ArithmeticError, LookupError) as error:
            reason = str(error).partition("\n")[0]
            hint = f"write {example}" if example else reason or "see the type's own RFC"
            self._refuse(mark, f"{shown(text)} is no data of {a(kind)} record", hint)
        if len(text) > _LONG and is_too_long(rdata, mark, self.faults):
            raise _FaultError
        return str(rdata.to_text()) if tokens[0].text != "\\#" else _canonical(rdata)

    def _check_names(self, kind: str, tokens: list[Token]) -> None:
        """Note a name in data that has no final dot and should, and an address in a name's place."""
        named = tokens[: _NAMES.get(kind, 0)]
        if kind in NAMING or kind == "SRV":
            named = tokens[-1:]
            if is_address(named[0].text, "A"):
                what = f"{kind} wants a name, and {shown(named[0].text)} is an address"
                self._refuse(named[0], what, f"write {RECORD_TYPES.get(kind, 'the name of a host')}")
        for token in named:
            self._check_dot(token)

    def _check_dot(self, token: Token) -> None:
        word = token.text
        if "." not in word or word.endswith("."):
            return
        if any(
            within(word, zone) for zone in {self.target.origin, self.target.search, self.current} - {ROOT}
        ):
            no_final_dot(token.mark, word, self.current, self.faults)
            raise _FaultError

    # -- names -----------------------------------------------------------------------------------

    @property
    def _origin(self) -> dns.name.Name:
        if self.current not in self.origins:
            import dns.name

            self.origins[self.current] = dns.name.from_text(absolute(self.current))
        return self.origins[self.current]

    def _name(self, token: Token) -> str:
        """Return the absolute name that a token means, with the final dot."""
        import dns.exception
        import dns.name

        if not token.text.isascii():
            what = f"{shown(token.text)} is not ASCII, as names in DNS are"
            self._refuse(token, what, "write its IDNA form, as xn--bcher-kva")
        self._check_dot(token)
        try:
            if token.quoted:
                raise dns.name.LabelTooLong
            return str(dns.name.from_text(token.text, self._origin).to_text())
        except (dns.exception.DNSException, ValueError):
            what = f"{shown(token.text)} is no domain name"
            self._refuse(token, what, "write labels of at most 63 characters, and dots, as www")

    def _refuse(self, at: Token | Mark, what: str, hint: str) -> NoReturn:
        self.faults.add(at if isinstance(at, Mark) else at.mark, what, hint)
        raise _FaultError


def _canonical(rdata: dns.rdata.Rdata) -> str:
    r"""Return data that was given in octets (`\#`, RFC 3597) as text; in octets if there is none for it."""
    import dns.exception
    import dns.rdata

    text = str(rdata.to_text())
    try:
        if dns.rdata.from_text(rdata.rdclass, rdata.rdtype, text) == rdata:
            return text
    except (dns.exception.DNSException, ValueError):
        pass
    return str(rdata.to_generic().to_text())


def _joined(tokens: Sequence[Token]) -> str:
    """Return tokens as they stand in a line."""
    return "".join((" " if token.apart else "") + token.text for token in tokens).strip()


def _all(tokens: list[Token]) -> Mark:
    """Return a mark that underlines tokens, as far as they stand on the first one's line."""
    first = tokens[0].mark
    last = [token.mark for token in tokens if token.mark.line == first.line][-1]
    return first._replace(width=last.column + last.width - first.column)
