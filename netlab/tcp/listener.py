"""The crafted endpoint as a server: it waits at a port for those who call, past the kernel's own TCP.

    from netlab.tcp.listener import listen

    with listen(80) as server, server.accept() as client:
        request = client.recv()
        client.sendall(answer)

Its counterpart is `driver`, whose `connect` calls. The node needs `firewall: [hold-back-rst]` here, too: its
kernel, where nothing listens at the port, answers each SYN with RST. Where something does, that answers, too.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import time
from types import TracebackType
from typing import Self

from netlab.tcp import datagram, segment
from netlab.tcp.driver import Connection
from netlab.tcp.hooks import Hook
from netlab.tcp.link import Ear, Link
from netlab.tcp.segment import DamagedError
from netlab.tcp.settings import Settings

Call = tuple[bytes, int, int]
"""Who calls: address, packed, port and initial sequence number; the same again is the same SYN again."""


class Listener:
    """Waits at a port of this node's, at all its addresses, which `listen` opens.

    `on_send` and `on_receive` are those of each connection that is accepted, from the SYN on, `timeout` and
    `settings` too. Callers wait, as the kernel keeps their SYNs, until `accept` is called.
    """

    def __init__(self, port: int, *, settings: Settings | None = None, timeout: float = 10.0) -> None:
        self.port, self.settings, self.timeout = port, settings, timeout
        self.on_send: Hook | None = None
        self.on_receive: Hook | None = None
        self._ear = Ear(port)
        self._accepted: set[Call] = set()

    def accept(self) -> Connection:
        """Return the next connection, once its handshake is complete; TimeoutError after `timeout` seconds.

        They are 10 unless `listen` was given others. Who calls and does not go on is waited for as long,
        while others wait.
        """
        limit = time.monotonic() + self.timeout
        why = ""
        while (left := limit - time.monotonic()) > 0:
            data = self._ear.receive(left)
            answered = None if data is None else self._answer(data, limit)
            if isinstance(answered, Connection):
                return answered
            why = answered or why
        what = f"nobody has opened a connection to port {self.port} for {self.timeout:g} s"
        raise TimeoutError(errno.ETIMEDOUT, f"{what}{why}")

    def close(self) -> None:
        """Hear no more calls; connections that were accepted go on."""
        self._ear.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, data: bytes, limit: float) -> Connection | str | None:
        """Complete a handshake, or say why it was not; None if the call is damaged, known, or another's."""
        try:
            packet = datagram.decode(data)
            syn = segment.decode(packet.payload, packet.source, packet.destination)
        except DamagedError:
            return None
        call = (packet.source, syn.source_port, syn.seq)
        if call in self._accepted or not _is_ours(packet.destination):
            return None
        peer = str(ipaddress.ip_address(packet.source))
        try:
            link = Link(peer, self.port, peer_port=syn.source_port, source=packet.destination)
        except OSError:  # nobody can be reached by the address that the call came from
            return None
        connection = Connection(
            peer, syn.source_port, local_port=self.port, settings=self.settings, link=link
        )
        connection.timeout = limit - time.monotonic()
        connection.on_send, connection.on_receive = self.on_send, self.on_receive
        is_open = False
        try:
            with contextlib.suppress(TimeoutError):
                is_open = connection.answer(data)
        finally:
            if not is_open:
                connection.abort()
        if not is_open:
            return _why(self.port, connection)
        self._accepted.add(call)
        connection.timeout = self.timeout
        return connection


def listen(port: int, *, settings: Settings | None = None, timeout: float = 10.0) -> Listener:
    """Wait at a port, each time `timeout` seconds at most; what is given is for each connection, too."""
    return Listener(port, settings=settings, timeout=timeout)


def _why(port: int, connection: Connection) -> str:
    """Say what has most likely kept a caller from completing the handshake."""
    if connection.held_back:
        return f" ({connection.held_back})"
    if _is_taken(port):
        return (
            ", for this node's kernel has a server there, which answers, too: stop it, or take another port"
        )
    return ": who called took it back, or did this node's kernel, which lacks `firewall: [hold-back-rst]`?"


def _is_taken(port: int) -> bool:
    """Tell whether somebody listens there by the kernel's means: REUSEADDR forgives all but that."""
    for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 — none listens
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((everywhere, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return True
    return False


def _is_ours(address: bytes) -> bool:
    """Tell whether the address is one of this node's: as a router it hears what is for others, too."""
    with socket.socket(socket.AF_INET if len(address) == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((socket.inet_ntop(probe.family, address), 0))
        except OSError:
            return False
    return True
