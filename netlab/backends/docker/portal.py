"""One conversation with the supervisor, from outside the fabric: a program that the engine runs in it.

Its standard input and output carry frames (`stream`); the other end is `conversation`. It makes the streams
that a command gets, which cannot cross an engine's API as descriptors.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import socket
import struct
import sys
import termios
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from netlab.backends.docker.stream import CHUNK, ERRORS, OUTPUT, Frames, frame, words
from netlab.backends.inside import channel
from netlab.errors import LabError, NetlabError

SOCKET = b"\0netlab"  # in the fabric's own network namespace, where no node finds it
RECORD = "/var/lib/netlab"  # where the fabric keeps the record
_MOST_HELD = 4 * CHUNK


def main() -> int:
    """Carry one conversation to its end."""
    frames = Frames()
    requests: list[tuple[int, bytes]] = []
    while not requests:
        data = os.read(0, CHUNK)
        if not data:
            return 0
        requests += frames.feed(data)
    request = json.loads(requests[0][1])
    if request["message"]["do"] == "fetch":
        _send_record()
        return 0
    with _connect() as end:
        try:
            portal = Portal(end, frames, request)
        except NetlabError as error:
            os.set_blocking(1, True)
            sys.stdout.buffer.write(words({"error": channel.encode_error(error)}))
            return 0
        for kind, body in requests[1:]:
            portal.take(kind, body)
        portal.carry()
    return 0


def _connect() -> socket.socket:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, channel.LARGEST)
    end.connect(SOCKET)
    return end


def _take(path: str) -> int:
    """Open a file that was put here for one request, and leave it without a name."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    Path(path).unlink()
    return opened


@dataclass(slots=True)
class Portal:
    """The streams between a command and the frames: `sources` are the command's outputs by descriptor."""

    end: socket.socket
    frames: Frames
    request: dict[str, Any]
    sources: dict[int, int] = field(default_factory=dict)
    sink: int | None = None
    terminal: int | None = None
    pending: bytearray = field(default_factory=bytearray)  # for the command
    told: bytearray = field(default_factory=bytearray)  # for the other side
    input_ended: bool = False
    left: bool = False

    def __post_init__(self) -> None:
        theirs = self._make_streams(self.request["streams"])
        if "file" in self.request:
            theirs.append(_take(self.request["file"]))
        os.set_blocking(1, False)
        try:
            channel.send(self.end, self.request["message"], theirs)
        finally:
            for descriptor in set(theirs):
                os.close(descriptor)

    # -- the command's streams ---------------------------------------------------------------------

    def _make_streams(self, wanted: str | None) -> list[int]:
        """Make the streams of a command and return its ends; none for a conversation without a command."""
        if wanted is None:
            return []
        if wanted == "output":
            return [self._output(OUTPUT)]
        if self.request["terminal"]:
            return self._make_terminal(wanted)
        reading, self.sink = os.pipe()
        os.set_blocking(self.sink, False)
        output = self._output(OUTPUT)
        return [reading, output, output if wanted == "merged" else self._output(ERRORS)]

    def _output(self, kind: int) -> int:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self.sources[reading] = kind
        return writing

    def _make_terminal(self, wanted: str) -> list[int]:
        master, slave = os.openpty()
        os.set_blocking(master, False)
        self.sink = self.terminal = master
        self.sources[master] = OUTPUT
        self._resize(self.request["size"])
        return [slave, slave, slave if wanted == "merged" else self._output(ERRORS)]

    def _resize(self, size: list[int]) -> None:
        if self.terminal is not None:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("4H", *size))

    # -- both ways --------------------------------------------------------------------------------

    def carry(self) -> None:
        """Carry bytes and words until one side leaves."""
        while not self.left or self.told:
            ready = self._wait()
            if 0 in ready:
                self._hear()
            if self.end.fileno() in ready:
                self._listen()
            if self.sink is not None and self.sink in ready:
                self._pour()
            for source in [each for each in self.sources if each in ready]:
                self._collect(source)
            if 1 in ready:
                self._tell()

    def _wait(self) -> set[int]:
        poll = select.poll()
        interests: dict[int, int] = {}
        if not self.left:
            interests = {0: select.POLLIN, self.end.fileno(): select.POLLIN}
            if len(self.told) < _MOST_HELD:
                interests |= dict.fromkeys(self.sources, select.POLLIN)
        if self.sink is not None and (self.pending or self.input_ended):
            interests[self.sink] = interests.get(self.sink, 0) | select.POLLOUT
        if self.told:
            interests[1] = select.POLLOUT
        for descriptor, events in interests.items():
            poll.register(descriptor, events)
        return {descriptor for descriptor, _ in poll.poll()}

    def _hear(self) -> None:
        """Take what the other side sends; its end is ours, and with that the command's."""
        data = os.read(0, CHUNK)
        if not data:
            os._exit(0)
        for kind, body in self.frames.feed(data):
            self.take(kind, body)

    def take(self, kind: int, body: bytes) -> None:
        """Take one frame: input for the command, or words."""
        if kind == OUTPUT:
            self.pending += body
            self.input_ended |= not body
            return
        message = json.loads(body)
        if "size" in message:
            self._resize(message["size"])
        elif "gone" in message:
            self._forget(message["gone"])
        else:
            with contextlib.suppress(LabError):
                channel.send(self.end, message)

    def _forget(self, kind: int) -> None:
        """Close an output that nobody reads any more: the command is told by SIGPIPE, as it would be."""
        for source in [each for each, its in self.sources.items() if its == kind and each != self.terminal]:
            del self.sources[source]
            os.close(source)

    def _listen(self) -> None:
        """Pass on what the supervisor says; what the command wrote before its end comes first."""
        received = channel.receive(self.end)
        if received is None:
            self.left = True
            return
        if "exit" in received[0]:
            for source in list(self.sources):
                while self._collect(source):
                    pass
            self.left = True
        self.told += words(received[0])

    def _pour(self) -> None:
        """Give the command what it has room for."""
        assert self.sink is not None
        try:
            taken = os.write(self.sink, self.pending) if self.pending else 0
        except BlockingIOError:
            return
        except OSError:  # it reads no more
            taken = len(self.pending)
        del self.pending[:taken]
        if taken:
            self.told += words({"taken": taken})
        if self.input_ended and not self.pending:
            self.input_ended = False
            if self.sink != self.terminal:
                os.close(self.sink)
                self.sink = None

    def _collect(self, source: int) -> bool:
        """Take what the command has written; whether there may be more."""
        try:
            data = os.read(source, CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal that nobody has open
                raise
            data = b""
        if not data:
            del self.sources[source]
            if source != self.terminal:
                os.close(source)
            return False
        self.told += frame(OUTPUT if source == self.terminal else self.sources[source], data)
        return True

    def _tell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            del self.told[: os.write(1, self.told)]


class _Frames:
    """A file whose writes are frames of output."""

    def write(self, data: bytes) -> int:
        sys.stdout.buffer.write(frame(OUTPUT, data))
        return len(data)


def _send_record() -> None:
    """Send the record as a tar archive."""
    import tarfile

    directory = Path(RECORD)
    with tarfile.open(fileobj=cast(BinaryIO, _Frames()), mode="w|") as archive:
        for path in sorted(directory.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.add(path, str(path.relative_to(directory)), recursive=False)
    sys.stdout.buffer.write(frame(OUTPUT, b""))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
