"""The crafted endpoint as a server: it waits at a port for those who call, past the kernel's own TCP.

    from netlab.tcp.listener import listen

    with listen(80) as server, server.accept() as client:
        request = client.recv()
        client.sendall(answer)

Its counterpart is `driver`, whose `connect` calls. The node needs `firewall: [hold-back-rst]` here, too: its
kernel, where nothing listens at the port, answers each SYN with RST.
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
from netlab.tcp.driver import Connection, Hook
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

        Who calls and does not go on is waited for as long, while others wait.
        """
        limit = time.monotonic() + self.timeout
        while (left := limit - time.monotonic()) > 0:
            data = self._ear.receive(left)
            if data is not None and (connection := self._answer(data, limit)) is not None:
                return connection
        raise TimeoutError(
            errno.ETIMEDOUT, f"nobody has opened a connection to port {self.port} for {self.timeout:g} s"
        )

    def close(self) -> None:
        """Hear no more calls; connections that were accepted go on."""
        self._ear.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, data: bytes, limit: float) -> Connection | None:
        """Complete a handshake; None if the call is damaged, known, taken back, or not for this node."""
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
            return None
        self._accepted.add(call)
        connection.timeout = self.timeout
        return connection


def listen(port: int, *, settings: Settings | None = None, timeout: float = 10.0) -> Listener:
    """Wait at a port; what is given is for each connection."""
    return Listener(port, settings=settings, timeout=timeout)


def _is_ours(address: bytes) -> bool:
    """Tell whether the address is one of this node's: as a router it hears what is for others, too."""
    with socket.socket(socket.AF_INET if len(address) == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((socket.inet_ntop(probe.family, address), 0))
        except OSError:
            return False
    return True
