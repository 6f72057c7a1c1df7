"""The crafted endpoint for scripts: a connection with blocking calls, past the kernel's own TCP.

    from netlab.tcp.driver import connect

    with connect("web", 80) as web:
        web.sendall(request)
        page = web.makefile().read()

It has no thread: segments are answered, and timers heeded, while a call waits; `wait` does nothing else. The
node's own kernel, which knows of no such connection, must keep still: `firewall: [hold-back-rst]`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import ipaddress
import random
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from netlab.tcp import datagram, icmp, segment
from netlab.tcp.block import Failure
from netlab.tcp.datagram import Datagram
from netlab.tcp.endpoint import ClosedError, Endpoint
from netlab.tcp.hooks import Hook, Showing, rebuilt
from netlab.tcp.link import Link
from netlab.tcp.settings import DEFAULTS, Settings
from netlab.tcp.states import State

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from scapy.packet import Packet

_READ = 1 << 16
_HEADERS = {4: 40, 6: 60}  # bytes of IP's and TCP's, without options
_ERRORS = {
    Failure.REFUSED: (errno.ECONNREFUSED, "answered the SYN with RST: does something listen there?"),
    Failure.RESET: (
        errno.ECONNRESET,
        "has reset the connection: or did this node's kernel, which lacks `firewall: [hold-back-rst]`?",
    ),
    Failure.TIMED_OUT: (errno.ETIMEDOUT, "acknowledged nothing for so long that the connection was given up"),
    Failure.UNREACHABLE: (errno.EHOSTUNREACH, "cannot be reached"),
    Failure.ABORTED: (errno.ECONNABORTED, "knows no more of the connection: it was aborted here"),
}


class Connection:
    """A TCP connection to a port of a host, which `connect` opens; `listener` knows the `link` already.

    Its calls wait for `timeout` seconds at most and raise what a socket's would: ConnectionError,
    TimeoutError, OSError. `on_send` and `on_receive` see every segment, and may be set at any time. What a
    hook changes gets new lengths and checksums, unless it has set those itself.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        local_port: int | None = None,
        settings: Settings | None = None,
        timeout: float = 10.0,
        link: Link | None = None,
    ) -> None:
        self.host, self.port, self.timeout = host, port, timeout
        self.on_send: Hook | None = None
        self.on_receive: Hook | None = None
        self.address = _resolve(host) if link is None else host
        self._version = ipaddress.ip_address(self.address).version
        # netlab seeds `random` before a script runs: these are the same in each run with the same seed.
        self.local_port = local_port or random.randint(49152, 65535)  # noqa: S311
        self._link = link or Link(self.address, self.local_port)
        largest = self._link.mtu - _HEADERS[self._version]
        given = settings or DEFAULTS
        self.endpoint = Endpoint(
            self.local_port,
            port,
            iss=random.getrandbits(32),
            clock=random.getrandbits(32),
            settings=replace(given, mss=min(given.mss, largest) if settings else largest),
            is_ipv6=self._version == 6,
        )
        self._began = time.monotonic()
        self._files = 0
        self._close_is_wanted = False
        self._showing = Showing(self._version)

    # -- what a socket has -------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the connection: returns when the handshake is complete."""
        try:
            self.endpoint.open(self._now())
        except ClosedError as error:
            raise OSError(errno.EISCONN, f"{self._peer}: {error}; make another Connection") from None
        self._wait_for(lambda: self.endpoint.is_open, "did not complete the handshake")

    def answer(self, syn: bytes) -> bool:
        """Open it passively, by the datagram that the peer calls with; False: the call was taken back."""
        self.endpoint.listen(self._now())
        self._take(syn, self._now())
        over = (State.LISTEN, State.CLOSED)
        self._wait_for(lambda: self.endpoint.is_open or self.state in over, "did not complete the handshake")
        return self.endpoint.is_open

    def send(self, data: bytes) -> int:
        """Take as much of the data as there is room for, and say how much that was."""
        self._wait_for(
            lambda: self.endpoint.unsent < self.endpoint.block.settings.send_buffer, "took no more"
        )
        return self._queue(data)

    def sendall(self, data: bytes) -> None:
        """Send all the data: returns when every byte has been sent once."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(bytes(rest[:_READ])) :]
        self._wait_for(lambda: not self.endpoint.block.sender.waits, "did not take it all")

    def recv(self, size: int = _READ) -> bytes:
        """Return what has come, up to `size` bytes, as soon as there is something; empty at the end."""
        if not self.endpoint.available:
            self._wait_for(lambda: bool(self.endpoint.available) or self.endpoint.at_end, "sent nothing")
        data = self.endpoint.receive(size, self._now())
        self._flush()
        return data

    def shutdown(self) -> None:
        """Send FIN after all that was sent; receiving goes on."""
        self.endpoint.close(self._now())
        self._flush()

    def close(self) -> None:
        """Close: returns when both sides have. What is unread, or still comes, is lost, and says so with RST.

        A file of `makefile` keeps it open until it is closed, too. What a peer repeats after this finds
        nobody, for nothing waits in TIME-WAIT here: `linger` does.
        """
        self._close_is_wanted = True
        if self._files == 0:
            try:
                self._close()
            finally:
                self._link.close()

    def linger(self) -> None:
        """Close, and stay until TIME-WAIT is over, to acknowledge the peer's FIN again if it is repeated."""
        self._close_is_wanted = True
        longest = self.timeout + 2 * self.endpoint.block.settings.msl
        try:
            self._close()
            self._wait_for(lambda: self.state is State.CLOSED, "was not quiet", longest)
        finally:
            self._link.close()

    def abort(self) -> None:
        """End it at once, with RST; a hook that has failed does not see that."""
        if self._showing.has_failed:
            self.on_send = None
        self.endpoint.abort(self._now())
        self._flush()
        self._link.close()

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedIOBase:
        """Return a file to read ("rb"), write ("wb") or both ("rwb"); http.client takes it for a socket's."""
        if not set(mode) <= set("rwb"):
            raise ValueError(f"mode {mode!r}: a connection's file is rb, wb or rwb")
        size = buffering if buffering > 0 else _READ
        if "w" not in mode:
            return io.BufferedReader(_File(self), size)
        if "r" not in mode:
            return io.BufferedWriter(_File(self), size)
        return io.BufferedRWPair(_File(self), _File(self), size)

    def settimeout(self, seconds: float) -> None:
        """Set how long a call waits."""
        self.timeout = seconds

    # -- what only a crafted connection has --------------------------------------------------------

    @property
    def state(self) -> State:
        """RFC 9293's word for how far it is."""
        return self.endpoint.state

    @property
    def held_back(self) -> str:
        """What to ask of a hook that has let no segment pass; empty where there is none such."""
        return self._showing.held_back

    def wait(self, seconds: float) -> None:
        """Take and answer segments for so long, or until the connection has ended."""
        limit = self._now() + seconds
        while self._now() < limit and self.state is not State.CLOSED:
            self._turn(limit)
        self._flush()

    def arrive(self, packet: Packet) -> None:
        """Let a packet arrive that `on_receive` has held back; the hook does not see it again."""
        with contextlib.suppress(segment.DamagedError):
            self._arrives(datagram.decode(rebuilt(packet)), self._now())
        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    # -- the loop ----------------------------------------------------------------------------------

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _queue(self, data: bytes) -> int:
        try:
            taken = self.endpoint.send(data, self._now())
        except ClosedError as error:
            raise BrokenPipeError(errno.EPIPE, f"{self._peer}: {error}") from None
        self._flush()
        return taken

    def _wait_for(self, condition: Callable[[], bool], what: str, seconds: float | None = None) -> None:
        """Take and answer segments until the condition holds; raise if the connection ends or time is up."""
        wait = self.timeout if seconds is None else seconds
        limit = self._now() + wait
        while not condition():
            if self.state is State.CLOSED:
                self._flush()
                raise self._error()
            if self._now() >= limit:
                advice = self.held_back or self.endpoint.block.advice
                advice = f" ({advice})" if advice else ""
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"{self._peer} {what} for {wait:g} s; we are in {self.state.value}{advice}",
                )
            self._turn(limit)
        self._flush()

    def _turn(self, limit: float) -> None:
        """Send what is to go, then take one packet, or let the time pass until a timer's or the limit."""
        self._flush()
        due = self.endpoint.deadline
        until = limit if due is None else min(due, limit)
        data = self._link.receive(until - self._now())
        now = self._now()
        if data is not None:
            self._take(data, now)
        if due is not None and due <= now:
            self.endpoint.time_passes(now)

    def _take(self, data: bytes, now: float) -> None:
        """Let a datagram arrive; what is damaged is dropped (RFC 9293, section 3.1, MUST-3)."""
        is_segment = data[9 if self._version == 4 else 6] == segment.PROTOCOL
        for each in (
            self._showing.through("on_receive", self.on_receive, data)
            if self.on_receive and is_segment
            else (data,)
        ):
            with contextlib.suppress(segment.DamagedError):
                self._arrives(datagram.decode(each), now)

    def _arrives(self, packet: Datagram, now: float) -> None:
        if packet.protocol == segment.PROTOCOL:
            arrived = segment.decode(packet.payload, packet.source, packet.destination)
            self.endpoint.segment_arrives(arrived, now)
        elif (report := icmp.decode(packet.payload, self._version)) is not None:
            self.endpoint.report_arrives(report, now)

    def _flush(self) -> None:
        """Send the segments that wait to go."""
        link = self._link
        for each in self.endpoint.take_segments():
            payload = segment.encode(each, link.source, link.destination)
            data = datagram.encode(Datagram(link.source, link.destination, segment.PROTOCOL, payload))
            if self.on_send is None:
                link.send(data)
            else:
                for changed in self._showing.through("on_send", self.on_send, data):
                    link.send(changed)

    # -- the end -----------------------------------------------------------------------------------

    def _close(self) -> None:
        """Close both ways. RFC 9293, section 3.6.1: data that nobody will read is answered with RST."""
        endpoint = self.endpoint
        if endpoint.available:
            endpoint.abort(self._now())
        endpoint.close(self._now())
        over = (State.TIME_WAIT, State.CLOSED)
        try:
            self._wait_for(
                lambda: endpoint.state in over or bool(endpoint.available), "did not close its side"
            )
        except TimeoutError:
            endpoint.abort(self._now())
            self._flush()
            raise
        if endpoint.available:
            endpoint.abort(self._now())
        self._flush()

    def _file_closed(self) -> None:
        self._files -= 1
        if self._files == 0 and self._close_is_wanted:
            self.close()

    @property
    def _peer(self) -> str:
        return f"{self.host} port {self.port}"

    def _error(self) -> OSError:
        """Return the error that tells why the connection has ended."""
        failure = self.endpoint.failure
        if failure is None:
            return ConnectionError(errno.ENOTCONN, f"the connection to {self._peer} is closed")
        number, words = _ERRORS[failure]
        advice = f" ({self.endpoint.block.advice})" if self.endpoint.block.advice else ""
        return OSError(number, f"{self._peer} {words}{advice}")


class _File(io.RawIOBase):
    """A connection as a file without a buffer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection._files += 1

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._connection.recv(len(view))
        view[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:  # noqa: ANN401 — any buffer
        self._connection.sendall(bytes(data))
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._connection._file_closed()


def connect(host: str, port: int, **how: Any) -> Connection:  # noqa: ANN401 — Connection's own
    """Open a connection to a host, by name or address; `how` is what `Connection` takes."""
    connection = Connection(host, port, **how)
    try:
        connection.connect()
    except BaseException:
        connection.abort()
        raise
    return connection


def _resolve(host: str) -> str:
    """Return a host's address, the first that the node's own resolver names; OSError, in words, for none."""
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except socket.gaierror as error:
        raise OSError(
            error.errno, f"{host} is no name or address that this node knows: {error.strerror}"
        ) from None
