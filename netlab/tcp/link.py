"""The way to one peer, and the ear for those who call: raw sockets, kept open, past the kernel's own TCP.

They are packet sockets, not raw IP: what leaves here meets no firewall rule, so that `hold-back-rst` drops
the kernel's RSTs and none of ours. Whom a frame goes to is asked by Scapy, as for any packet of a script's.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import ipaddress
import select
import socket
import struct

from netlab.tcp import bpf

_ETH_P = {4: 0x0800, 6: 0x86DD}
_SO_ATTACH_FILTER = 26
_SIOCGIFMTU = 0x8921
_BUFFER = 4 << 20  # bytes; an ordinary user gets some 200 KiB of them, doubled
_LARGEST = 65536
_PACKET_HOST = 0  # linux/if_packet.h: it was for us
_NOWHERE = ("0.0.0.0", "::")  # noqa: S104 — Scapy's word for: none


class Link:
    """A raw socket to `peer`, an address; `source` is ours on that way, `mtu` the largest datagram.

    It hears what the peer sends to `port` (from `peer_port` alone, where that is given), and every ICMP
    message. `source` may be another than the route's own: the one that a caller has called, packed. OSError,
    in words, where there is no way.
    """

    def __init__(
        self, peer: str, port: int, *, peer_port: int | None = None, source: bytes | None = None
    ) -> None:
        address = ipaddress.ip_address(peer)
        version = address.version
        self.interface, usual, hop = _route(peer, version)
        self.source, self.destination = source or ipaddress.ip_address(usual).packed, address.packed
        mac = _mac(hop, version)
        self._to = (self.interface, _ETH_P[version], 0, 0, mac)
        program = bpf.segments_from(self.destination, port, peer_port)
        self._socket = _packet_socket(version, program, self.interface)
        try:
            self.mtu = _mtu(self._socket, self.interface)
        except OSError:
            self._socket.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def send(self, datagram: bytes) -> None:
        """Send a datagram as it is; one that is too large for the network is lost, as on any wire."""
        try:
            self._socket.sendto(datagram, self._to)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise

    def receive(self, seconds: float) -> bytes | None:
        """Return the next datagram; None if none comes in that time."""
        try:
            return self._socket.recv(_LARGEST)
        except BlockingIOError:
            if seconds <= 0 or not self._poll.poll(seconds * 1000):
                return None
            return self._socket.recv(_LARGEST)

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        self._socket.close()


class Ear:
    """Hears the SYNs that come to a port of this node's, over IPv4 and IPv6, on any interface."""

    def __init__(self, port: int) -> None:
        self._sockets: list[socket.socket] = []
        try:
            for version in (4, 6):
                self._sockets.append(_packet_socket(version, bpf.calls_to(port, version)))
        except OSError:
            self.close()
            raise
        self._poll = select.poll()
        for each in self._sockets:
            self._poll.register(each, select.POLLIN)

    def receive(self, seconds: float) -> bytes | None:
        """Return the next datagram; None if none comes in that time, or one that was not for this node."""
        ready = {descriptor for descriptor, _ in self._poll.poll(max(0.0, seconds) * 1000)}
        for each in self._sockets:
            if each.fileno() in ready:
                data, address = each.recvfrom(_LARGEST)
                return data if address[2] == _PACKET_HOST else None
        return None

    def close(self) -> None:
        """Close the sockets; a second time does nothing."""
        for each in self._sockets:
            each.close()


def _packet_socket(
    version: int, program: list[bpf.Instruction], interface: str | None = None
) -> socket.socket:
    """Return a socket that hears what the program lets through, on an interface or, for None, on all."""
    # Bound to nothing, it hears nothing before the filter is there; but only one interface can be bound to.
    protocol = 0 if interface else socket.htons(_ETH_P[version])
    made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, protocol)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        _attach(made, program)
        if interface:
            made.bind((interface, _ETH_P[version]))
        else:
            _forget(made)
    except OSError:
        made.close()
        raise
    return made


def _forget(sock: socket.socket) -> None:
    """Throw away what came before the filter."""
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.recv(_LARGEST)


def _route(peer: str, version: int) -> tuple[str, str, str]:
    """Return the interface to a peer, our address there, and the next hop."""
    from scapy.config import conf

    interface, source, gateway = (conf.route if version == 4 else conf.route6).route(peer, verbose=0)
    is_here = ipaddress.ip_address(peer) == ipaddress.ip_address(source)
    if is_here or source in _NOWHERE or str(interface) == conf.loopback_name:
        what = "has no route from here" if source in _NOWHERE else "is this node itself"
        raise OSError(errno.ENETUNREACH, f"{peer} {what}: a crafted segment needs a network to go over")
    return str(interface), source, peer if gateway in _NOWHERE else gateway


def _mac(hop: str, version: int) -> bytes:
    from scapy.layers.inet6 import getmacbyip6
    from scapy.layers.l2 import getmacbyip

    found = (getmacbyip if version == 4 else getmacbyip6)(hop)
    if found is None:
        how = "ARP" if version == 4 else "neighbour discovery"
        raise OSError(
            errno.EHOSTUNREACH, f"{hop} does not answer {how}: is that node there, and its interface up?"
        )
    return bytes.fromhex(found.replace(":", ""))


def _mtu(sock: socket.socket, interface: str) -> int:
    answer = fcntl.ioctl(sock, _SIOCGIFMTU, struct.pack("16si", interface.encode(), 0))
    return int(struct.unpack("16xi", answer)[0])


def _attach(sock: socket.socket, program: list[bpf.Instruction]) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    sock.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(buffer))
    )
