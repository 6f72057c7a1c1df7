"""A conversation with both HTTP servers, request by request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from tests.system.differential.http_answers import Response, Seen
from tests.system.differential.http_corpus import Asked


@dataclass(frozen=True, slots=True)
class Turn:
    """A request as its bytes, and what each server answered first to it."""

    start: bytes
    fields: dict[bytes, bytes]
    lines: tuple[bytes, ...]
    ours: Response
    theirs: Response

    @property
    def statuses(self) -> tuple[int, int]:
        """The builtin server's and nginx's."""
        return self.ours.status, self.theirs.status

    @property
    def names(self) -> list[bytes]:
        """The fields' names in lower case, as often as they come."""
        return [line.partition(b":")[0].lower() for line in self.lines]

    @property
    def target(self) -> bytes:
        """What stands between the first space and the last."""
        return self.start.partition(b" ")[2].rpartition(b" ")[0]

    @property
    def closes(self) -> bool:
        """Whether the builtin server says that it ends the connection."""
        return "close" in self.ours.fields.get("connection", "")


def turns(asked: Asked, builtin: Seen, real: Seen) -> Iterator[Turn]:
    """Yield the requests that both answered, up to the first that one of them did not."""
    wires = [request.to_wire() for request in asked.requests] or [asked.wire]
    for wire, ours, theirs in zip_longest(wires, builtin.responses, real.responses):
        if wire is None or ours is None or theirs is None:
            return
        start, *lines = re.split(rb"\r?\n", wire.partition(b"\r\n\r\n")[0])
        pairs = (line.partition(b":") for line in lines)
        fields = {name.strip().lower(): value.strip(b" \t") for name, _, value in pairs}
        yield Turn(start, fields, tuple(lines), ours, theirs)
