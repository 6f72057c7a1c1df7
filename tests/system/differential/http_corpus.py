"""What the HTTP servers serve, and how what they are asked is put together; requests and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LAST = "/last.txt"
LAST_BODY = b"the last\n"
FILES = {
    "index.html": b"<h1>lab</h1>\n",
    "hello.txt": b"Hello, transport layer.\n",
    "empty.txt": b"",
    "large.bin": bytes(range(256)) * 1200,
    "docs/index.html": b"<p>docs</p>\n",
    "docs/a b.txt": b"spaced\n",
    "docs/deep/er/x.json": b"{}\n",
    "bare/x.md": b"# no index here\n",
    "plus+.css": b"p {}\n",
    "100%.txt": b"percent\n",
    "semi;colon.txt": b"semicolon\n",
    "quote'd\".txt": b"quotes\n",
    "tilde~.txt": b"tilde\n",
    "\u00fcber.txt": b"umlaut\n",
    "UPPER.TXT": b"upper\n",
    "none": b"no suffix\n",
    ".hidden": b"hidden\n",
    "x.tar.gz": b"\x1f\x8b",
    "two..dots.txt": b"dots\n",
    "...": b"three dots\n",
    LAST[1:]: LAST_BODY,
}
ETAG = b"@ETAG@"  # stands for what a server calls the present state of TAGGED
TAGGED = "/hello.txt"


def write_files(directory: Path) -> None:
    """Write the content that both servers have."""
    for name, body in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


@dataclass(frozen=True, slots=True)
class Request:
    """One request; its bytes are put together as they stand, right or wrong."""

    method: bytes = b"GET"
    target: bytes = b"/hello.txt"
    version: bytes = b"HTTP/1.1"
    fields: tuple[bytes, ...] = (b"Host: www.lab.test",)
    body: bytes = b""

    def to_wire(self) -> bytes:
        """Return the bytes."""
        start = b" ".join((self.method, self.target, self.version))
        return b"\r\n".join((start, *self.fields, b"", self.body))


@dataclass(frozen=True, slots=True)
class Asked:
    """What one connection carries, in its segments; `requests` is empty where it is junk."""

    pieces: tuple[bytes, ...]
    requests: tuple[Request, ...] = ()

    @property
    def wire(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)

    @property
    def heads(self) -> tuple[bool, ...]:
        """Whether each request is a HEAD, whose response has no body."""
        if self.requests:
            return tuple(request.method == b"HEAD" for request in self.requests)
        return (self.wire.lstrip(b"\r\n").startswith(b"HEAD "),)


def ask(*requests: Request) -> Asked:
    """Send requests, pipelined, in one segment."""
    return Asked((b"".join(request.to_wire() for request in requests),), requests)


def get(target: str = "/hello.txt", *fields: str, method: str = "GET", body: bytes = b"") -> Asked:
    """Send one request of HTTP/1.1."""
    lines = ("Host: www.lab.test", *fields)
    return ask(Request(method.encode(), target.encode("latin-1"), fields=_encoded(lines), body=body))


def _encoded(lines: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(line.encode("latin-1") for line in lines)


def raw(*pieces: bytes) -> Asked:
    """Send these bytes."""
    return Asked(pieces)
