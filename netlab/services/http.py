"""HTTP/1.1 over read-only content: which response a request gets, and the bytes of both, without a socket.

Its counterpart is `netlab.services.http_server`, which moves the bytes. What a client gets is decided by its
bytes and the content alone, so that a run can be repeated: there is no Date (RFC 9110, section 6.6.1, lets a
server without a clock leave it out; this one looks at none) and no Last-Modified (a fresh clone has other
times), hence no condition on dates; the ETag is made from the content's SHA-256.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote, unquote_to_bytes

import h11

from netlab.services.ranges import byte_range

TARGET_LIMIT = 8000  # octets of a request target; RFC 9112, section 3, asks for as many in a whole line
HEAD_LIMIT = 16384  # octets of a request's head, of a chunk's header and of a trailer section
BODY_LIMIT = 1 << 20  # octets of a request's body, which is read and dropped
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
PHRASES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable"}  # new in Python 3.13
WHY = {
    400: "This is not HTTP/1.1 as RFC 9112 has it, or Host is missing.",
    413: f"A request's body has at most {BODY_LIMIT} octets here.",
    414: f"A target has at most {TARGET_LIMIT} octets here.",
    431: f"A request's head has at most {HEAD_LIMIT} octets here.",
    501: "The only transfer coding known is chunked.",
    505: "This server speaks HTTP/1.1 and HTTP/1.0.",
}

_ABSOLUTE_FORM = re.compile(r"http://([^/?]*)", re.IGNORECASE)
_TARGET = re.compile(r"(?:[!\"$&-~]|%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"([\w.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?", re.ASCII)
_EMPTY_LINES = re.compile(rb"(?:\r?\n)+")
_ENTITY_TAGS = re.compile(r'[ \t,]*(?:(?:W/)?"[^"]*"[ \t]*(?:,[ \t,]*|$))+')  # RFC 9110, section 5.6.1.2
_HEAD = b"HEAD "
_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')

# h11's own limit counts what has arrived, which depends on segments; `Connection._feed` keeps ours before it.
_new_wire = partial(h11.Connection, h11.SERVER, max_incomplete_event_size=4 * HEAD_LIMIT)


@dataclass(frozen=True)
class Resource:
    """What stands at a path: a body and its media type."""

    body: bytes
    media_type: str

    @cached_property
    def sha256(self) -> bytes:
        """The body's digest, 32 bytes."""
        return hashlib.sha256(self.body).digest()

    @property
    def etag(self) -> str:
        """A strong entity tag (RFC 9110, section 8.8.3), the same wherever the body is the same."""
        return f'"{self.sha256.hex()[:32]}"'


class Content(Protocol):
    """Where a site's resources come from."""

    def read(self, path: str) -> Resource | None:
        """Return what stands at `path` (relative, no dot segments), or None; OSError if unreadable."""


@dataclass(frozen=True, slots=True)
class MappingContent:
    """Content held in memory: path → body."""

    bodies: Mapping[str, bytes]

    def read(self, path: str) -> Resource | None:
        """Return the body of that path."""
        body = self.bodies.get(path)
        return None if body is None else Resource(body, media_type(path))


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response; `body` is empty to HEAD, Content-Length that of GET. `note` is for the log alone."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """Decides the response to a request; holds no state between requests."""

    content: Content

    def respond(self, method: str, target: str, headers: Mapping[str, str]) -> Response:
        """Answer one request; `headers` has lower-case names, repeated fields joined by commas."""
        response = self._respond(method, target, headers)
        return replace(response, body=b"") if method == "HEAD" else response

    def _respond(self, method: str, target: str, headers: Mapping[str, str]) -> Response:
        if objection := _objection(method, target, headers):
            return objection
        try:
            path, query = parse_target(target)
        except ValueError as error:
            return refusal(400, f"The target is not acceptable: {error}.")
        try:
            return self._look_up(method, path, query, headers)
        except (OSError, MemoryError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            return replace(refusal(500, "The content cannot be read; the server's log says why."), note=why)

    def _look_up(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Response:
        is_directory = path == "" or path.endswith("/")
        resource = self.content.read(f"{path}index.html" if is_directory else path)
        if resource is not None:
            return represent(resource, method, headers)
        if not is_directory and self.content.read(f"{path}/index.html") is not None:
            location = f"/{quote(path)}/{query}"
            return refusal(301, f"This is a directory: {location}", ("Location", location))
        return refusal(404, "Nothing stands at this path.")


def _objection(method: str, target: str, headers: Mapping[str, str]) -> Response | None:
    """Refuse what needs no look at the content."""
    if method not in KNOWN_METHODS:
        return refusal(501, "This server does not know that method.")
    if method not in ("GET", "HEAD"):
        return refusal(405, "This server takes GET and HEAD.", ("Allow", "GET, HEAD"))
    if len(target) > TARGET_LIMIT:
        return refusal(414, WHY[414])
    if not _HOST.fullmatch(headers.get("host", "")):
        return refusal(400, "Host is not a host with an optional port.")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        return refusal(417, "The only expectation known is 100-continue.")
    return None


def media_type(path: str) -> str:
    """Return the media type that the path's suffix stands for."""
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return MEDIA_TYPES.get(suffix.lower() if stem and dot else "", "application/octet-stream")


def parse_target(target: str) -> tuple[str, str]:
    """Return the path, relative, decoded and free of dot segments, and the query with its `?` or empty.

    A directory's path ends in a slash; the root's is empty. Takes origin-form and absolute-form (RFC 9112,
    section 3.2). ValueError says what is wrong; a path that would leave the root is wrong, not clipped.
    """
    if not _TARGET.fullmatch(target):
        raise ValueError("it has #, % without two hexadecimal digits, or more than visible ASCII")
    if absolute := _ABSOLUTE_FORM.match(target):
        # Without a host, or with user information, it is no http URI (RFC 9110, sections 4.2.1 and 4.2.4).
        if absolute[1][:1] in ("", ":") or not _HOST.fullmatch(absolute[1]):
            raise ValueError("its authority is not a host with an optional port")
        target = f"/{target[absolute.end() :].removeprefix('/')}"
    if not target.startswith("/"):
        raise ValueError("it begins neither with / nor with http://")
    raw, mark, query = target.partition("?")
    kept: list[str] = []
    segments = [_decode_segment(segment) for segment in raw[1:].split("/")]
    for segment in segments:
        if segment == "..":
            if not kept:
                raise ValueError(".. leads out of the content")
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    ends_in_directory = bool(kept) and segments[-1] in ("", ".", "..")
    return "/".join(kept) + "/" * ends_in_directory, mark + query


def _decode_segment(segment: str) -> str:
    """Percent-decode one path segment (RFC 3986, section 2.1)."""
    try:
        decoded = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 once decoded") from None
    if "/" in decoded or "\0" in decoded:
        raise ValueError("an encoded / or NUL has no place in a name")
    return decoded


def represent(resource: Resource, method: str, headers: Mapping[str, str]) -> Response:
    """Give the resource whole, in part or not at all; conditions in the order of RFC 9110, section 13.2.2."""
    etag, size = resource.etag, len(resource.body)
    if "if-match" in headers and not _matches(headers["if-match"], etag, weak=False):
        return refusal(412, "What stands here has another entity tag.", ("ETag", etag))
    if "if-none-match" in headers and _matches(headers["if-none-match"], etag, weak=True):
        return Response(304, (("Server", "netlab"), ("ETag", etag)))
    status, body = 200, resource.body
    extra: tuple[tuple[str, str], ...] = ()
    asked = byte_range(headers.get("range", ""), size) if method == "GET" else None
    if asked is not None and headers.get("if-range", etag) == etag:
        if not asked:
            return refusal(416, f"The content has {size} octets.", ("Content-Range", f"bytes */{size}"))
        status, body = 206, resource.body[asked.start : asked.stop]
        extra = (("Content-Range", f"bytes {asked.start}-{asked.stop - 1}/{size}"),)
    fields = (
        ("Server", "netlab"),
        ("Content-Type", resource.media_type),
        ("Content-Length", str(len(body))),
        *extra,
        ("Accept-Ranges", "bytes"),
        ("ETag", etag),
        ("Repr-Digest", f"sha-256=:{b64encode(resource.sha256).decode()}:"),  # RFC 9530: of the whole
    )
    return Response(status, fields, body)


def _matches(value: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags holds `etag` (RFC 9110, sections 8.8.3.2 and 13.1)."""
    tags = _ENTITY_TAG.findall(value) if _ENTITY_TAGS.fullmatch(value) else []
    return value.strip(" \t") == "*" or etag in tags or (weak and f"W/{etag}" in tags)


def phrase(status: int) -> str:
    """Return RFC 9110's name for the status, in any version of Python."""
    return PHRASES.get(status) or HTTPStatus(status).phrase


def refusal(status: int, why: str, *fields: tuple[str, str]) -> Response:
    """Return a response that carries a sentence instead of content."""
    body = f"{status} {phrase(status)}\n{why}\n".encode()
    head = (("Server", "netlab"), ("Content-Type", MEDIA_TYPES["txt"]), ("Content-Length", str(len(body))))
    return Response(status, (*head, *fields), body)


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes for the client, to be sent at once, and the access log's line (empty for an interim response)."""

    data: bytes
    log: str


class Connection:
    """One client's connection over h11: bytes in, replies out, the same however the bytes were cut."""

    def __init__(self, site: Site) -> None:
        self._wire = _new_wire()
        self._site = site
        self._inbox = bytearray()
        self._at_eof = False
        self._opening = b""  # of a head that is not read yet: what suffices to know a HEAD
        self._request: h11.Request | None = None
        self._response: Response | None = None
        self._fields: dict[str, str] = {}
        self._body_size = 0
        self.closing = False  # once True, no reply follows, and the connection is to be closed

    def receive(self, data: bytes) -> None:
        """Take what the client sent; b"" is the end of its stream."""
        if not self.closing:
            self._inbox += data
            self._at_eof |= not data

    def next_reply(self) -> Reply | None:
        """Return what is to be sent next; None: nothing until more is received, or ever if `closing`.

        Ask again once a reply is sent: pipelined requests are answered one by one, so that a client that
        does not read costs the memory of one response.
        """
        try:
            while not self.closing:
                event = self._wire.next_event()
                if event is h11.NEED_DATA:
                    if not self._feed():
                        return None
                elif reply := self._on_event(event):
                    return reply
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint if error.error_status_hint in WHY else 400
            return self._send(refusal(status, WHY[status]), close=True)
        return None

    def _feed(self) -> bool:
        """Hand h11 more bytes, up to HEAD_LIMIT unprocessed ones; False: there are none."""
        held = self._wire.trailing_data[0]
        between = self._wire.their_state is h11.IDLE and not held
        if between and (empty := _EMPTY_LINES.match(self._inbox)):  # RFC 9112, section 2.2: to be ignored
            del self._inbox[: empty.end()]
        if not self._inbox or (between and self._inbox == b"\r"):
            if self._at_eof:
                self._wire.receive_data(b"")
            return self._at_eof
        room = HEAD_LIMIT - len(held)
        if room <= 0:
            is_target = self._wire.their_state is h11.IDLE and b"\n" not in held
            raise h11.RemoteProtocolError("too long", error_status_hint=414 if is_target else 431)
        if self._wire.their_state is h11.IDLE:
            self._opening = (held + self._inbox[: len(_HEAD)])[: len(_HEAD)]
        self._wire.receive_data(bytes(self._inbox[:room]))
        del self._inbox[:room]
        return True

    def _on_event(self, event: object) -> Reply | None:
        match event:
            case h11.Request():
                self._request, self._response, self._body_size = event, None, 0
                self._fields = _joined_fields(event)
                return self._begin(event)
            case h11.Data():
                self._body_size += len(event.data)
                if self._body_size > BODY_LIMIT:
                    raise h11.RemoteProtocolError("body too long", error_status_hint=413)
            case h11.EndOfMessage() if self._response:
                # RFC 9112, section 6.1: two framings may be an attempt at smuggling; answer, then close.
                ambiguous = {"content-length", "transfer-encoding"} <= self._fields.keys()
                return self._send(self._response, close=ambiguous)
            case _:
                self.closing = True  # the client has finished, between two requests
        return None

    def _begin(self, request: h11.Request) -> Reply | None:
        """Look at a head whose body may still be to come: refuse it, or say 100 to a client that waits."""
        if not request.http_version.startswith(b"1."):
            raise h11.RemoteProtocolError("not HTTP/1", error_status_hint=505)
        length = int(self._fields.get("content-length", "0"))
        if length > BODY_LIMIT:
            raise h11.RemoteProtocolError("body too long", error_status_hint=413)
        self._response = self._site.respond(request.method.decode(), request.target.decode(), self._fields)
        has_body = length > 0 or "transfer-encoding" in self._fields
        if not (has_body and self._wire.they_are_waiting_for_100_continue):
            return None
        if self._response.status >= 400:
            return self._send(self._response, close=True)
        interim = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
        return Reply(self._wire.send(interim), "")

    def _send(self, response: Response, *, close: bool) -> Reply:
        """Encode a final response, and make ready for the next request or none."""
        # Junk that begins as a HEAD comes from someone who expects no content (RFC 9110, section 9.3.2).
        is_head = self._request.method == b"HEAD" if self._request else self._opening == _HEAD
        body = b"" if is_head else response.body
        fields = [*response.headers, *([("Connection", "close")] if close else [])]
        head = h11.Response(status_code=response.status, headers=fields, reason=phrase(response.status))
        send = self._wire.send
        data = send(head)
        if self._request or not is_head:  # h11 knows of a HEAD only what it has read
            data += send(h11.Data(data=body)) + send(h11.EndOfMessage())
        line = '"HEAD -"' if is_head and not self._request else _request_line(self._request)
        log = f"{line} {response.status} {len(body)}"
        self._request = None
        if self._wire.our_state is h11.DONE:
            self._inbox[:0] = self._wire.trailing_data[0]
            self._wire = _new_wire()
        else:
            self.closing = True
            self._inbox.clear()
        return Reply(data, f"{log} ({response.note})" if response.note else log)


def _joined_fields(request: h11.Request) -> dict[str, str]:
    """Return the fields by lower-case name, repeated ones joined by commas (RFC 9110, section 5.3)."""
    fields: dict[str, str] = {}
    for name, value in request.headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def _request_line(request: h11.Request | None) -> str:
    """Return method and target for the log; both are visible ASCII."""
    if request is None:
        return '"-"'
    target = request.target.decode().replace('"', "%22")
    return f'"{request.method.decode()} {target if len(target) <= 200 else target[:199] + "…"}"'
