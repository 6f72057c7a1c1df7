"""The way to one peer: a raw socket that is kept open, past the kernel's own TCP.

It is a packet socket, not raw IP: what leaves here meets no firewall rule, so that `hold-back-rst` drops the
kernel's RSTs and none of ours. Whom a frame goes to is asked by Scapy, as for any packet of a script's.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import ipaddress
import select
import socket
import struct

_ETH_P = {4: 0x0800, 6: 0x86DD}
_SO_ATTACH_FILTER = 26
_SIOCGIFMTU = 0x8921
_BUFFER = 4 << 20  # bytes; an ordinary user gets some 200 KiB of them, doubled
_LARGEST = 65536
_NOWHERE = ("0.0.0.0", "::")  # noqa: S104 — Scapy's word for: none

# Classic BPF (linux/filter.h): load a byte, half, word; X = IPv4's header length; jump if equal; return.
_LDB, _LDH, _LD, _LDH_X, _LDX_IHL, _JEQ, _RET = 0x30, 0x28, 0x20, 0x48, 0xB1, 0x15, 0x06


class Link:
    """A raw socket to `peer`, an address; `source` is ours on that way, `mtu` the largest datagram.

    It hears what comes for `port`, and every ICMP message. OSError, in words, where there is no way.
    """

    def __init__(self, peer: str, port: int) -> None:
        address = ipaddress.ip_address(peer)
        version = address.version
        self.interface, source, hop = _route(peer, version)
        self.source, self.destination = ipaddress.ip_address(source).packed, address.packed
        mac = _mac(hop, version)
        self._to = (self.interface, _ETH_P[version], 0, 0, mac)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            _attach(self._socket, _program(port, self.destination))
            self._socket.bind((self.interface, _ETH_P[version]))
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


def _program(port: int, peer: bytes) -> list[tuple[int, int, int, int]]:
    """Return a filter: ICMP, and TCP from the peer to the port; offsets count from the IP header."""
    if len(peer) == 4:
        return [
            (_LDB, 0, 0, 9),  # protocol
            (_JEQ, 6, 0, socket.IPPROTO_ICMP),
            (_JEQ, 0, 6, socket.IPPROTO_TCP),
            (_LD, 0, 0, 12),  # source
            (_JEQ, 0, 4, int.from_bytes(peer)),
            (_LDX_IHL, 0, 0, 0),
            (_LDH_X, 0, 0, 2),  # destination port
            (_JEQ, 0, 1, port),
            (_RET, 0, 0, _LARGEST),
            (_RET, 0, 0, 0),
        ]
    return [
        (_LDB, 0, 0, 6),  # next header
        (_JEQ, 3, 0, socket.IPPROTO_ICMPV6),
        (_JEQ, 0, 3, socket.IPPROTO_TCP),
        (_LDH, 0, 0, 42),  # destination port
        (_JEQ, 0, 1, port),
        (_RET, 0, 0, _LARGEST),
        (_RET, 0, 0, 0),
    ]


def _attach(sock: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    sock.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(buffer))
    )
