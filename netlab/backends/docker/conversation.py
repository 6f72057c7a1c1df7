"""One conversation with a lab's supervisor, carried by a program run in the fabric, and a command over it.

Its other end is `portal`.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import select
import struct
import termios
import threading
import tty
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netlab.backends.docker.stream import CHUNK, ERRORS, OUTPUT, WINDOW, WORDS, Frames, frame, words
from netlab.backends.inside.channel import raise_error
from netlab.errors import LabError, TimeLimitError

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine, Pipe

PORTAL = ("python3", "-m", "netlab.backends.docker.portal")
_RESIZE_MS = 200


class Conversation:
    """A connection to the supervisor; what it is asked first decides what it is for."""

    def __init__(self, engine: Engine, fabric: str, request: dict[str, Any]) -> None:
        self._pipe: Pipe = engine.execute(fabric, PORTAL)
        self._frames = Frames()
        self._sending = threading.Lock()
        self._faults = b""
        self.send(words(request))

    def fileno(self) -> int:
        """Return the descriptor to poll: readable when the supervisor has said something, or has gone."""
        return self._pipe.fileno()

    def send(self, data: bytes) -> None:
        """Send frames; from any thread."""
        with self._sending:
            self._pipe.send(data)

    def receive(self) -> list[tuple[int, bytes]]:
        """Wait for frames and return them; LabError when the other side has gone."""
        pieces = self._pipe.read()
        if pieces is None:
            raise self._ended()
        frames: list[tuple[int, bytes]] = []
        for number, data in pieces:
            if number == 1:
                frames += self._frames.feed(data)
            else:
                self._faults += data
        return frames

    def ask(self) -> dict[str, Any]:
        """Return the supervisor's answer, or raise its error."""
        while True:
            for kind, data in self.receive():
                if kind == WORDS:
                    return answer(data)

    def output(self) -> io.BufferedReader:
        """Return a file that reads the output."""
        return io.BufferedReader(_Output(self))

    def close(self) -> None:
        """Leave; what was run over the conversation ends with it."""
        self._pipe.close()

    def _ended(self) -> LabError:
        lines = self._faults.decode(errors="replace").strip().splitlines()
        why = f" ({lines[-1]})" if lines else ""
        return LabError(f"the lab has ended{why}", "start it again")


class _Output(io.RawIOBase):
    """A conversation's output as a file."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._held = bytearray()
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — anything that holds bytes
        while not self._held and not self._ended:
            for kind, data in self._conversation.receive():
                if kind == WORDS:
                    answer(data)
                else:
                    self._held += data
                    self._ended |= not data
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        del self._held[:size]
        return size


def answer(data: bytes) -> dict[str, Any]:
    """Return what words say, or raise the error that they bring."""
    message: dict[str, Any] = json.loads(data)
    if "error" in message:
        raise_error(message["error"])
    return message


class Running:
    """A command in a node; a thread carries its streams. See `protocol.Running`."""

    def __init__(
        self, engine: Engine, fabric: str, message: dict[str, Any], stdio: Sequence[int], *, terminal: bool
    ) -> None:
        # Our own: the caller may close its, and the numbers be taken again.
        self._stdio = [os.dup(descriptor) for descriptor in stdio]
        self._terminal = terminal
        self._status: int | None = None
        self._error: Exception | None = None
        self._pipes = (self._ended, self._end, self._woken, self._wake) = (*os.pipe(), *os.pipe())
        self._room = WINDOW
        self._held: dict[int, bytearray] = {}  # output by descriptor that is not taken yet
        self._left = False
        request = {"message": message, "streams": _streams(self._stdio), "terminal": terminal}
        if terminal:
            tty.setraw(self._stdio[0], termios.TCSANOW)  # the terminal in the lab does what terminals do
            request["size"] = self._size = _size_of(self._stdio[0])
        try:
            self._conversation = Conversation(engine, fabric, request)
        except BaseException:
            _close([*self._stdio, *self._pipes])
            raise
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._ended

    def wait(self, seconds: float | None = None) -> int:
        """Wait for the end and return the exit status."""
        if self._left:
            raise LabError("the command was left")
        poll = select.poll()
        poll.register(self._ended, select.POLLIN)
        if not poll.poll(None if seconds is None else seconds * 1000):
            raise TimeLimitError(f"the command still runs after {seconds:g} s")
        if self._error is not None:
            raise self._error
        if self._status is None:
            raise LabError("the command was left")
        return self._status

    def signal(self, number: int) -> None:
        """Send a signal to the command and its children."""
        with contextlib.suppress(LabError):
            self._conversation.send(words({"do": "signal", "number": number}))

    def close(self) -> None:
        """Leave; what still runs is killed."""
        if self._left:
            return
        self._left = True
        os.write(self._wake, b"\0")
        self._conversation.close()
        self._thread.join()
        _close(self._pipes)

    # -- the thread --------------------------------------------------------------------------------

    def _carry(self) -> None:
        try:
            self._exchange()
        except Exception as error:  # it belongs to who waits
            self._error = error
        finally:
            _close(self._stdio)  # who reads what the command wrote comes to the end of it
            os.write(self._end, b"\0")

    def _exchange(self) -> None:
        """Carry bytes both ways until the command has ended and its output is taken, or the caller leaves."""
        source = self._stdio[0] if len(self._stdio) > 1 else None
        while self._status is None or self._held:
            ready = self._wait(source)
            if self._woken in ready:
                return
            if self._terminal:
                self._tell_size()
            if source in ready and source is not None:
                data = _read(source)
                self._room -= len(data)
                self._conversation.send(frame(OUTPUT, data))
                source = source if data else None
            for target in [each for each in self._held if each in ready]:
                self._deliver(target)
            if self._conversation.fileno() in ready:
                for kind, data in self._conversation.receive():
                    self._take(kind, data)

    def _wait(self, source: int | None) -> set[int]:
        """Wait for what can be done next; while output is held, no more is heard, so that it stays little."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if source is not None and self._room > 0 and self._status is None:
            poll.register(source, select.POLLIN)
        for target in self._held:
            poll.register(target, select.POLLOUT)
        if not self._held:
            poll.register(self._conversation, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll(_RESIZE_MS if self._terminal else None)}

    def _take(self, kind: int, data: bytes) -> None:
        if kind == WORDS:
            message = answer(data)
            self._room += message.get("taken", 0)
            if "exit" in message:
                status = message["exit"]
                self._status = status if status >= 0 else 128 - status
        elif kind in (OUTPUT, ERRORS):
            target = self._stdio[0 if len(self._stdio) == 1 else kind]
            self._held.setdefault(target, bytearray()).extend(data)

    def _deliver(self, target: int) -> None:
        """Write as much as a pipe takes without waiting; say so where nobody reads any more."""
        held = self._held[target]
        try:
            del held[: os.write(target, held[: select.PIPE_BUF])]
        except BlockingIOError:
            return
        except OSError:
            del self._held[target]
            kind = OUTPUT if len(self._stdio) == 1 else self._stdio.index(target)
            self._conversation.send(words({"gone": kind}))
            return
        if not held:
            del self._held[target]

    def _tell_size(self) -> None:
        size = _size_of(self._stdio[0])
        if size != self._size:
            self._size = size
            self._conversation.send(words({"size": size}))


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _streams(stdio: Sequence[int]) -> str:
    """Say how many streams there are: "output" alone, or all, with "merged" where two of them are one."""
    if len(stdio) == 1:
        return "output"
    return "merged" if os.path.sameopenfile(stdio[1], stdio[2]) else "all"


def _size_of(terminal: int) -> list[int]:
    with contextlib.suppress(OSError):
        return list(struct.unpack("4H", fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8))))
    return [24, 80, 0, 0]


def _read(source: int) -> bytes:
    try:
        return os.read(source, CHUNK)
    except OSError:
        return b""
