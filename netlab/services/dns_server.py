"""The sockets of the builtin DNS engine: one thread, UDP and TCP (RFC 7766), one log line a query.

Its counterpart is `netlab.services.dns`, which knows what to answer.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from netlab.errors import MachineError
from netlab.services.dns import Authority, describe
from netlab.services.dns_query import Transport

IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)  # Python's socket module has the name from 3.12 on
_PKTINFO = struct.Struct("@i4s4s")  # interface, local address, the header's destination: ip(7)
_PKTINFO6 = struct.Struct("@16sI")  # the header's destination, interface: RFC 3542, section 6.1
_ANY_INTERFACE = 0
_DATAGRAM = 65535  # the largest payload there is
_BURST = 64  # datagrams or connections taken before the others have their turn
_CHUNK = 4096  # bytes read from a connection in one turn
_STOP_POLL = 0.1  # seconds between two looks at `stop`
_PAIR_ATTEMPTS = 16  # port 0: tries to find a number that is free for UDP and TCP alike

_CURES = {
    errno.EADDRINUSE: "stop what listens there, or choose another port",
    errno.EACCES: "a port below 1024 needs CAP_NET_BIND_SERVICE; inside a lab every node has it",
    errno.EADDRNOTAVAIL: "the address must be one of this node's interfaces",
}
PRINT = partial(print, flush=True)  # the default log: standard output, which a file may be behind
_Endpoint = tuple[str, int] | tuple[str, int, int, int]  # IPv6's have flow label and scope, too


@dataclass(frozen=True, slots=True)
class Limits:
    """What TCP clients may take: seconds between two whole messages, and connections at a time."""

    idle: float = 10.0
    connections: int = 64


@dataclass(slots=True, eq=False)
class _Connection:
    """A TCP client: what has come in and is not yet answered, and the rest of the one answer going out."""

    sock: socket.socket
    client: _Endpoint
    since: float
    inbound: bytearray = field(default_factory=bytearray)
    outbound: bytes = b""
    ended: bool = False

    def next_message(self) -> bytes | None:
        """Take the first whole message out of what came in (RFC 1035, section 4.2.2)."""
        end = 2 + int.from_bytes(self.inbound[:2], "big")
        if len(self.inbound) < 2 or len(self.inbound) < end:
            return None
        message = bytes(self.inbound[2:end])
        del self.inbound[:end]
        return message


class DnsServer:
    """Serves an authority on an address and `more`, UDP and TCP on one port; `bind` replaces port 0."""

    def __init__(
        self,
        authority: Authority,
        address: str,
        port: int = 53,
        log: Callable[[str], None] = PRINT,
        *,
        limits: Limits | None = None,
        more: Sequence[str] = (),
    ) -> None:
        self.address = address
        self._more = tuple(more)
        self.port = port
        self._authority = authority
        self._log = log
        self._limits = limits or Limits()
        self._selector = selectors.DefaultSelector()
        self._connections: list[_Connection] = []
        self._sockets: tuple[socket.socket, ...] = ()

    def bind(self) -> None:
        """Open both sockets; MachineError where the kernel does not give them."""
        attempts = 1 if self.port else _PAIR_ATTEMPTS
        while not self._sockets:
            attempts -= 1
            try:
                self._sockets = _open_pair(self.address, self.port)
            except OSError as error:
                if attempts and error.errno == errno.EADDRINUSE:
                    continue
                raise _refusal(self.address, self.port, error) from error
        self.port = self._sockets[0].getsockname()[1]
        try:
            for address in self._more:
                self._sockets += _open_pair(address, self.port)
        except OSError as error:
            self.close()
            raise _refusal(address, self.port, error) from error
        for sock in self._sockets:
            take = self._receive if sock.type == socket.SOCK_DGRAM else self._accept
            self._selector.register(sock, selectors.EVENT_READ, partial(take, sock))

    def serve(self, stop: Callable[[], bool] | None = None) -> None:
        """Answer until `stop` returns true, if it is given; then close everything."""
        try:
            while not (stop and stop()):
                for key, _ in self._selector.select(self._timeout(polled=stop is not None)):
                    key.data()
                self._close_idle()
        finally:
            self.close()

    def close(self) -> None:
        """Close every socket; a second time does nothing."""
        while self._connections:
            self._close(self._connections[0])
        for sock in self._sockets:
            sock.close()
        self._sockets = ()
        self._selector.close()

    def _timeout(self, *, polled: bool) -> float | None:
        """Return the seconds until a connection has been idle too long, or `stop` must be asked."""
        ends = [connection.since + self._limits.idle - time.monotonic() for connection in self._connections]
        waits = [max(0.0, min(ends))] if ends else []
        return min([*waits, _STOP_POLL]) if polled else min(waits, default=None)

    def _reply(self, query: bytes, transport: Transport, client: _Endpoint) -> bytes | None:
        answer = self._authority.answer(query, transport=transport)
        self._log(f"{describe(query, answer)} {transport} {_shown(client)}")
        return answer

    def _receive(self, datagrams: socket.socket) -> None:
        """Answer the datagrams that wait, each from the address that it was sent to."""
        for _ in range(_BURST):
            try:
                query, ancillary, _, client = datagrams.recvmsg(_DATAGRAM, socket.CMSG_SPACE(_PKTINFO6.size))
            except OSError:  # nothing waits any more, or an ICMP error of an earlier answer was reported
                return
            answer = self._reply(query, "udp", client)
            if answer is None:
                continue
            try:
                datagrams.sendmsg([answer], _from_same_address(ancillary), 0, client)
            except OSError as error:
                self._log(f"answer to {_shown(client)} not sent: {error.strerror}")

    def _accept(self, listener: socket.socket) -> None:
        """Take new clients; where room lacks, the one idle the longest makes it (RFC 7766, section 6.2.3)."""
        for _ in range(_BURST):
            try:
                sock, client = listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):  # it still waits, and must not keep us busy
                    self._make_room()
                return
            if len(self._connections) >= self._limits.connections:
                self._make_room()
            sock.setblocking(False)
            connection = _Connection(sock, client, time.monotonic())
            self._connections.append(connection)
            self._selector.register(sock, selectors.EVENT_READ, partial(self._continue, connection))

    def _make_room(self) -> None:
        if self._connections:
            self._close(min(self._connections, key=lambda connection: connection.since))

    def _continue(self, connection: _Connection) -> None:
        """Go on with a client whose socket is ready: the rest of an answer first, then new queries.

        While an answer is stuck nothing is read: a client that does not read holds one answer at most.
        """
        if connection not in self._connections:  # closed by an earlier event of the same round
            return
        try:
            if connection.outbound:
                self._send(connection)
            else:
                self._read(connection)
            while not connection.outbound and (query := connection.next_message()) is not None:
                connection.since = time.monotonic()
                answer = self._reply(query, "tcp", connection.client)
                if answer is not None:
                    connection.outbound = len(answer).to_bytes(2, "big") + answer
                    self._send(connection)
        except OSError:  # the client is gone
            self._close(connection)
            return
        if connection.ended and not connection.outbound:
            self._close(connection)
            return
        events = selectors.EVENT_WRITE if connection.outbound else selectors.EVENT_READ
        self._selector.modify(connection.sock, events, partial(self._continue, connection))

    def _read(self, connection: _Connection) -> None:
        try:
            chunk = connection.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        connection.inbound += chunk
        connection.ended = not chunk

    def _send(self, connection: _Connection) -> None:
        """Hand the answer to the kernel in one piece: length and message in one segment where it can be."""
        try:
            sent = connection.sock.send(connection.outbound)
        except BlockingIOError:
            return
        connection.outbound = connection.outbound[sent:]
        if not connection.outbound:
            connection.since = time.monotonic()

    def _close_idle(self) -> None:
        oldest = time.monotonic() - self._limits.idle
        for connection in [each for each in self._connections if each.since <= oldest]:
            self._close(connection)

    def _close(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        self._selector.unregister(connection.sock)
        connection.sock.close()


def _shown(client: _Endpoint) -> str:
    return f"[{client[0]}]:{client[1]}" if ":" in client[0] else f"{client[0]}:{client[1]}"


def _refusal(address: str, port: int, error: OSError) -> MachineError:
    where = f"port {port} of {address}"
    cure = _CURES.get(error.errno or 0, "")
    return MachineError(f"the DNS server cannot have {where}: {error.strerror or error}", cure)


def _open_pair(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a UDP socket and a listening TCP socket on the same port; OSError where one of them fails."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:  # IPv4 has sockets of its own
            for sock in (datagrams, listener):
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            datagrams.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        datagrams.bind((address, port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it: a second answer must not wait for the ACK of the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((address, datagrams.getsockname()[1]))
        listener.listen()
        for sock in (datagrams, listener):
            sock.setblocking(False)
    except OSError:
        datagrams.close()
        listener.close()
        raise
    return datagrams, listener


def _from_same_address(ancillary: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Turn what recvmsg said of the query's destination into what sendmsg wants to know of the source."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            _, local, _ = _PKTINFO.unpack(data[: _PKTINFO.size])
            return [(level, kind, _PKTINFO.pack(_ANY_INTERFACE, local, bytes(4)))]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            local, interface = _PKTINFO6.unpack(data[: _PKTINFO6.size])
            # A link-local address means nothing without its interface.
            index = interface if local[:2] == b"\xfe\x80" else _ANY_INTERFACE
            return [(level, kind, _PKTINFO6.pack(local, index))]
    return []
