"""What an HTTP server answered to the bytes of one connection, read strictly, and in a form that compares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from tests.system.differential.http_corpus import ETAG, LAST, LAST_BODY, TAGGED, Asked, get
from tests.system.differential.servers import BUILTIN, REAL, Client

LAST_REQUEST = get(LAST, "Connection: close").wire
COMPARED = (
    "content-type",
    "content-length",
    "content-range",
    "accept-ranges",
    "location",
    "transfer-encoding",
)
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\x20-\x7e]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*?)[ \t]*")


@dataclass(frozen=True, slots=True)
class Response:
    """One response; status 0 is what came without a status line, as HTTP/0.9 has it."""

    status: int
    fields: dict[str, str]
    body: bytes

    def parts(self) -> dict[str, object]:
        """Return what is compared; of an error, whose page is a server's own, not the body."""
        told: dict[str, object] = {"status": self.status, "allow": self.fields.get("allow")}
        told |= {"close": "close" in self.fields.get("connection", "").lower()}
        if self.status < 300 or self.status in (304, 416):
            told |= {"etag": "etag" in self.fields}
        if self.status < 300:
            told |= {name: self.fields.get(name) for name in COMPARED} | {"body": self.body}
        else:
            told |= {name: self.fields.get(name) for name in ("content-range", "location")}
        return told


@dataclass(frozen=True, slots=True)
class Seen:
    """All that came back on a connection: the responses, and whether it stood to the end."""

    responses: tuple[Response, ...]
    stays: bool
    end: str


class NotHttpError(Exception):
    """What no client could read."""


def read(data: bytes, heads: tuple[bool, ...]) -> Iterator[Response]:
    """Yield responses up to the end of the data; raise NotHttpError where it is not as RFC 9112 wants it."""
    pending = [*heads, False]
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        status = _STATUS_LINE.fullmatch(lines[0])
        if not status and not data.startswith(b"HTTP/"):
            yield Response(0, {}, data)
            return
        if not status or not end:
            raise NotHttpError(data[:200])
        fields = _fields(lines[1:])
        code = int(status[1])
        bodiless = code < 200 or code in (204, 304) or pending[0]
        length = 0 if bodiless else _length(fields, rest)
        if len(rest) < length:
            raise NotHttpError(f"{len(rest)} octets of {length}")
        yield Response(code, fields, rest[:length])
        data = rest[length:]
        if code >= 200 and len(pending) > 1:
            del pending[0]


def _fields(lines: list[bytes]) -> dict[str, str]:
    fields = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if not field or field[1].decode().lower() in fields:
            raise NotHttpError(line)
        fields[field[1].decode().lower()] = field[2].decode()
    return fields


def _length(fields: dict[str, str], rest: bytes) -> int:
    if "transfer-encoding" in fields:
        raise NotHttpError("files need no transfer coding")
    if "content-length" in fields:
        return int(fields["content-length"])
    return len(rest)


class Pair:
    """The two servers, asked the same."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tags = dict.fromkeys((BUILTIN, REAL), b"")
        for address, seen in zip((BUILTIN, REAL), self.exchange(get(TAGGED)), strict=True):
            self._tags[address] = seen.responses[0].fields["etag"].encode()

    def exchange(self, asked: Asked) -> tuple[Seen, Seen]:
        """Send the bytes, and behind them a last request whose answer tells that the connection stood.

        It ends the connection, and comes twice: what is unfinished may swallow one.
        """
        messages = {
            address: [piece.replace(ETAG, tag) for piece in (*asked.pieces, LAST_REQUEST * 2)]
            for address, tag in self._tags.items()
        }
        told = self._client.exchange("bytes", messages)
        return _seen(told[BUILTIN], asked), _seen(told[REAL], asked)


def _seen(told: dict[str, object], asked: Asked) -> Seen:
    data = bytes.fromhex(str(told["data"]))
    responses = tuple(read(data, asked.heads))
    stays = bool(responses) and responses[-1].body == LAST_BODY and LAST.encode() not in asked.wire
    return Seen(responses[: len(responses) - stays], stays, str(told["end"]))


def differing(builtin: Seen, real: Seen) -> frozenset[str]:
    """Return the names of the parts in which the servers differ."""
    found = {"stays"} if builtin.stays != real.stays else set()
    found |= {"end"} if "nothing" in (builtin.end, real.end) else set()
    for ours, theirs in zip_longest(builtin.responses, real.responses):
        if ours is None or theirs is None:
            return frozenset({*found, "count"})
        one, other = ours.parts(), theirs.parts()
        found |= {part for part in one.keys() | other.keys() if one.get(part) != other.get(part)}
        if ours.status != theirs.status:  # what follows from another status needs no word
            found = (found & {"stays", "close"}) | {"status"}
    return frozenset(found)


def told(asked: Asked, builtin: Seen, real: Seen) -> str:
    """Show a conversation as curl -v would."""
    parts = ", ".join(sorted(differing(builtin, real)))
    lines = [f"differs in: {parts}", *(f"> {_shown(piece)}" for piece in asked.pieces[:20])]
    for name, seen in (("builtin", builtin), ("nginx", real)):
        ending = "stays" if seen.stays else f"ends with {seen.end}"
        lines += [
            f"{name}: {ending}",
            *(f"< {one.status} {one.fields} {_shown(one.body)}" for one in seen.responses),
        ]
    return "\n".join(lines)


def _shown(data: bytes) -> str:
    return f"{data[:300]!r}" + (f" … {len(data)} octets" if len(data) > 300 else "")
