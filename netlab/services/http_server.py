"""The HTTP service's socket loop: one thread, many connections; and content read from a directory.

Its counterpart is `netlab.services.http`, which decides every byte that is sent. The kernel's TCP is beneath,
and a trace should be the same in every run: so a response goes to the kernel in one send, and requests and
FINs are acknowledged at once instead of when a timer or the next data happens to do it.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netlab.errors import MachineError
from netlab.services.http import Connection, Resource, Site, media_type

IDLE_LIMIT = 15.0  # seconds without a byte in either direction
LINGER_LIMIT = 5.0  # seconds that a client has to close its side once the server has closed its own
CONNECTION_LIMIT = 256  # further clients wait in the kernel's queue
QUEUE = 1024  # clients there; whoever comes when it is full tries again after a second
STOP_INTERVAL = 0.1  # seconds between two looks at `stop`
READ_SIZE = 1 << 16
REPLIES_PER_TURN = 16  # of one client's pipelined requests, before the others have theirs

_NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


@dataclass(frozen=True, slots=True)
class DirectoryContent:
    """The regular files below a directory; a symbolic link that leads out of it leads nowhere."""

    root: Path

    def read(self, path: str) -> Resource | None:
        """Read the file anew, so that an edit shows at once; OSError if it is there and cannot be read."""
        root = os.path.realpath(self.root)
        file = Path(os.path.realpath(self.root / path))
        try:
            if not file.is_relative_to(root) or not file.is_file():
                return None
            return Resource(file.read_bytes(), media_type(path))
        except OSError as error:
            if error.errno in _NO_FILE:
                return None
            raise


@dataclass(slots=True)
class _Client:
    """A connection as the loop sees it: what is to be sent, and until when something must happen."""

    sock: socket.socket
    name: str
    connection: Connection
    deadline: float
    outbox: memoryview = field(default_factory=lambda: memoryview(b""))
    has_more: bool = False
    at_eof: bool = False
    lingering: bool = False


class HttpServer:
    """Serves a site on one TCP port of an address and `more`; `log` gets one line a request.

    Such as `10.0.0.10 "GET /" 200 71234`.
    """

    def __init__(
        self,
        site: Site,
        address: str,
        port: int = 80,
        log: Callable[[str], None] = print,
        *,
        more: Sequence[str] = (),
    ) -> None:
        self._site = site
        self._addresses = (address, *more)
        self._port = port
        self._log = log
        self._listeners: tuple[socket.socket, ...] = ()
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()

    @property
    def port(self) -> int:
        """The port, the kernel's choice once bound if 0 was asked for."""
        return int(self._listeners[0].getsockname()[1]) if self._listeners else self._port

    def bind(self) -> None:
        """Take the port and listen: from here on clients can connect. MachineError if it cannot be had."""
        opened: list[socket.socket] = []
        try:
            for address in self._addresses:
                port = opened[0].getsockname()[1] if opened else self._port
                opened.append(self._listen(address, port))
        except BaseException:
            for listener in opened:
                listener.close()
            raise
        self._listeners = tuple(opened)

    def _listen(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # Connections inherit these. The kernel clips the buffer's size to net.core.wmem_max.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if family == socket.AF_INET6:  # IPv4 has a socket of its own
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address, port))
            listener.listen(QUEUE)
        except OSError as error:
            listener.close()
            raise _bind_error(address, port, error) from error
        return listener

    def serve(self, stop: Callable[[], bool] | None = None) -> None:
        """Serve until `stop` says True (it is asked ten times a second); without it, for ever."""
        if not self._listeners:
            self.bind()
        try:
            while not (stop and stop()):
                self._watch_listeners()
                for key, _ in self._selector.select(self._patience(polling=stop is not None)):
                    if key.data is None:
                        assert isinstance(key.fileobj, socket.socket)
                        self._accept(key.fileobj)
                    else:
                        self._advance(key.data)
                self._expire()
        finally:
            self._close_all()

    def _watch_listeners(self) -> None:
        """Accept only while there is room."""
        for listener in self._listeners:
            watched = listener.fileno() in self._selector.get_map()
            if not watched and len(self._clients) < CONNECTION_LIMIT:
                self._selector.register(listener, selectors.EVENT_READ, None)
            elif watched and len(self._clients) >= CONNECTION_LIMIT:
                self._selector.unregister(listener)

    def _patience(self, *, polling: bool) -> float | None:
        """Return the seconds until something may be due; None: nothing can be."""
        due = min((client.deadline for client in self._clients.values()), default=None)
        wait = None if due is None else max(0.0, due - time.monotonic())
        return wait if not polling else min(STOP_INTERVAL, wait or STOP_INTERVAL)

    def _accept(self, listener: socket.socket) -> None:
        """Take all clients that wait and have room, lest the kernel's queue grow full."""
        while len(self._clients) < CONNECTION_LIMIT:
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Gone again, or the process has no descriptor left: the pause keeps that from spinning.
                self._log(f"- cannot accept: {error.strerror}")
                time.sleep(0 if error.errno == errno.ECONNABORTED else STOP_INTERVAL)
                return
            sock.setblocking(False)
            client = _Client(sock, address[0], Connection(self._site), time.monotonic() + IDLE_LIMIT)
            self._clients[sock.fileno()] = client
            self._selector.register(sock, selectors.EVENT_READ, client)

    def _advance(self, client: _Client) -> None:
        """Move one connection on as far as it goes without waiting."""
        try:
            if client.outbox or client.has_more:
                self._push(client)
                self._reply(client)
            elif self._receive(client):
                self._reply(client)
            if client.sock.fileno() >= 0 and not client.lingering:
                wanted = selectors.EVENT_WRITE if client.outbox or client.has_more else selectors.EVENT_READ
                self._selector.modify(client.sock, wanted, client)
        except OSError:  # the client reset the connection, or cannot be reached any more
            self._drop(client)
        except Exception as error:  # whatever one request provokes, the others are served
            self._log(f"{client.name} dropped: {type(error).__name__}: {error}")
            self._drop(client)

    def _receive(self, client: _Client) -> bool:
        """Read once; True if there may be something to answer."""
        try:
            data = client.sock.recv(READ_SIZE)
        except BlockingIOError:
            return False
        # Set after the read, it makes the kernel send a pending ACK, of the request or of the FIN, now.
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        client.at_eof = not data
        if client.lingering:
            if client.at_eof:
                self._drop(client)
            return False
        client.deadline = time.monotonic() + IDLE_LIMIT
        client.connection.receive(data)
        return True

    def _reply(self, client: _Client) -> None:
        """Send replies until the kernel takes no more, the turn is over or there is none; close if due."""
        client.has_more = False
        for _ in range(REPLIES_PER_TURN):
            if client.outbox:
                return
            reply = client.connection.next_reply()
            if reply is None:
                if client.connection.closing:
                    self._finish(client)
                return
            if reply.log:
                self._log(f"{client.name} {reply.log}")
            if client.connection.closing:
                # The last segment waits for our FIN. Otherwise the client's ACKs would decide, by when they
                # come, whether the two travel together.
                client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            client.outbox = memoryview(reply.data)
            self._push(client)
        client.has_more = True

    def _push(self, client: _Client) -> None:
        """Hand the kernel all that it takes, in one call."""
        if not client.outbox:
            return
        try:
            sent = client.sock.send(client.outbox)
        except BlockingIOError:
            return
        client.outbox = client.outbox[sent:]
        client.deadline = time.monotonic() + IDLE_LIMIT

    def _finish(self, client: _Client) -> None:
        """Close: at once after the client's FIN, else with our FIN first (RFC 9112, section 9.6).

        To close with bytes of the client's unread would make the kernel send RST, which may cost the client
        the end of the response.
        """
        if client.at_eof:
            self._drop(client)
            return
        client.lingering = True
        client.outbox, client.has_more = memoryview(b""), False
        client.deadline = time.monotonic() + LINGER_LIMIT
        client.sock.shutdown(socket.SHUT_WR)
        self._selector.modify(client.sock, selectors.EVENT_READ, client)

    def _expire(self) -> None:
        now = time.monotonic()
        for client in [client for client in self._clients.values() if client.deadline <= now]:
            try:
                if client.lingering:
                    self._drop(client)
                else:
                    self._finish(client)
            except OSError:  # reset meanwhile
                self._drop(client)

    def _drop(self, client: _Client) -> None:
        descriptor = client.sock.fileno()
        if descriptor >= 0:
            self._selector.unregister(client.sock)
            del self._clients[descriptor]
            client.sock.close()

    def _close_all(self) -> None:
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.close()
        for listener in self._listeners:
            listener.close()


def _bind_error(address: str, port: int, error: OSError) -> MachineError:
    where = f"TCP port {port} of {address}"
    if error.errno == errno.EADDRINUSE:
        return MachineError(f"{where} is taken", "stop the other server, or give this one another port")
    if error.errno == errno.EADDRNOTAVAIL:
        return MachineError(f"{where}: no interface has this address", "use an address of this node")
    return MachineError(f"{where} cannot be had: {error.strerror}", "use a port above 1023, or a node's own")
