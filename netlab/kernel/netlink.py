"""The few route netlink messages of a lab's start, packed by hand, and the socket that sends them.

Everything else about links goes through pyroute2; these messages are here because encoding them there costs
as much as building the lab. A test holds each to pyroute2's own encoding. Counterpart: `netlab.wiring`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Container, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import NamedTuple, Self

from netlab.errors import MachineError

# linux/rtnetlink.h, linux/netlink.h
RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_NEWROUTE = 16, 18, 20, 24
NLM_F_REQUEST, NLM_F_EXCL, NLM_F_CREATE, NLM_F_ACK_TLVS = 0x1, 0x200, 0x400, 0x200
_NLMSG_ERROR = 2
_NEW = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL
_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP, _NETLINK_DROP_MEMBERSHIP, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 1, 2, 10, 11
_RTNLGRP_LINK = 1

# linux/if_link.h, linux/veth.h, linux/if.h
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 10, 18
_IFLA_AF_SPEC, _IFLA_NET_NS_FD, _IFLA_NUM_TX_QUEUES, _IFLA_NUM_RX_QUEUES = 26, 28, 31, 32
_IFLA_GSO_MAX_SEGS = 40
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFLA_BR_FORWARD_DELAY, _IFLA_BR_AGEING_TIME, _IFLA_BR_STP_STATE, _IFLA_BR_MCAST_SNOOPING = 1, 4, 5, 23
_IFLA_INET6_ADDR_GEN_MODE, _IN6_ADDR_GEN_MODE_NONE = 8, b"\1"
_IFF_UP, _IFF_RUNNING = 0x1, 0x40

# linux/if_addr.h, linux/rtnetlink.h
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS = 1, 2, 4, 8
_IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 0x2, 0x200
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_METRICS = 1, 4, 5, 6, 7, 8
_RTAX_LOCK, _RTAX_RTO_MIN = 1, 13
_RT_TABLE_MAIN, _RTPROT_KERNEL, _RTPROT_STATIC, _RTN_UNICAST = 254, 2, 4, 1
_RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK = 0, 253
_IP6_RT_PRIO_ADDRCONF = 256  # what the kernel gives the route of an address (linux/ipv6_route.h)

_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=8BI")
_ATTRIBUTE = struct.Struct("=HH")
_U32 = struct.Struct("=I")

LOOPBACK = 1
# A new namespace holds one tunnel device for each tunnel module the machine has loaded (sit0, gre0, …), which
# take the first ifindexes; those that we choose begin where none can stand.
FIRST_INDEX = 100
# Requests a send: their answers and errors fit into the socket's default receive buffer at once.
_BATCH = 16
_RECEIVE = 16384  # an RTM_NEWLINK is about 2 kB

_REASONS: Mapping[int, tuple[str, str]] = {
    errno.EXFULL: ("a bridge takes 1023 ports", "spread the nodes over several networks"),
    errno.EEXIST: ("one of that name or number is there already", "run it in a fresh network namespace"),
    errno.EBUSY: ("one of that number is there already", "run it in a fresh network namespace"),
    errno.EPERM: ("it takes CAP_NET_ADMIN over the network namespace", "run `netlab doctor`"),
    errno.EOPNOTSUPP: ("this kernel has no links of that kind", "load it: `modprobe -a veth bridge`"),
    errno.ENODEV: ("the link is not there", "was it removed by hand?"),
    errno.ENOMEM: ("the kernel is out of memory", "stop other labs, or take fewer nodes"),
    errno.ENOBUFS: ("the kernel is out of memory", "stop other labs, or take fewer nodes"),
}


class Message(NamedTuple):
    """One request: its netlink type and flags, what follows the header, and what an error calls it."""

    kind: int
    flags: int
    body: bytes
    what: str

    def encode(self, sequence: int) -> bytes:
        """Give the message its header."""
        return _HEADER.pack(_HEADER.size + len(self.body), self.kind, self.flags, sequence, 0) + self.body


class VethEnd(NamedTuple):
    """One end of a veth pair: its name, chosen ifindex and MAC address; `mtu` None is the kernel's own."""

    name: str
    ifindex: int
    mac: str
    mtu: int | None = None

    @property
    def attributes(self) -> bytes:
        """What a link message says of it, but for the ifindex."""
        return _named(self.name, self.mac) + (_number(_IFLA_MTU, self.mtu) if self.mtu else b"")


def attribute(kind: int, data: bytes) -> bytes:
    """Return an attribute of a message: its length, its kind, what it holds, and padding."""
    size = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(size, kind) + data + bytes(-size % 4)


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, _U32.pack(value))


def _named(name: str, mac: str) -> bytes:
    hardware = bytes.fromhex(mac.replace(":", ""))
    return attribute(_IFLA_IFNAME, name.encode() + b"\0") + attribute(_IFLA_ADDRESS, hardware)


def _info(kind: bytes, data: bytes) -> bytes:
    return attribute(
        _IFLA_LINKINFO, attribute(_IFLA_INFO_KIND, kind + b"\0") + attribute(_IFLA_INFO_DATA, data)
    )


_ONE_QUEUE = _number(_IFLA_NUM_TX_QUEUES, 1) + _number(_IFLA_NUM_RX_QUEUES, 1)
# TCP would hand down bursts of segments as one and set PSH on the last of each; how long a burst is, is a
# matter of timing. One at a time, and a trace has the same flags in every run.
_NO_BURSTS = _number(_IFLA_GSO_MAX_SEGS, 1)
# Snooping off: at 1000 ports the bridge's own multicast state costs more than the ports. No STP: no port
# ever waits to forward.
_QUIET = (
    _number(_IFLA_BR_FORWARD_DELAY, 0)
    + _number(_IFLA_BR_STP_STATE, 0)
    + attribute(_IFLA_BR_MCAST_SNOOPING, b"\0")
)
_BRIDGE = _info(b"bridge", _QUIET)
# What it learns it forgets at once: every frame goes to every other port, as a hub's does.
_HUB = _info(b"bridge", _QUIET + _number(_IFLA_BR_AGEING_TIME, 0))


def bridge_add(name: str, ifindex: int, mac: str, *, learns: bool = True) -> Message:
    """Make a bridge, up, that forwards on a port as soon as the port has carrier."""
    body = _LINK.pack(0, 0, ifindex, _IFF_UP, _IFF_UP) + _named(name, mac) + (_BRIDGE if learns else _HUB)
    return Message(RTM_NEWLINK, _NEW, body, f"bridge {name}")


def veth_add(near: VethEnd, far: VethEnd, bridge: int | None, namespace: int) -> Message:
    """Make a veth pair: `near` here, up, a port of `bridge` (an ifindex); `far` is born down in `namespace`.

    Without a bridge, `near` is no port of any. `namespace` is a descriptor.
    """
    peer = _LINK.pack(0, 0, far.ifindex, 0, 0) + far.attributes + _ONE_QUEUE + _NO_BURSTS
    peer += _number(_IFLA_NET_NS_FD, namespace)
    body = _LINK.pack(0, 0, near.ifindex, _IFF_UP, _IFF_UP) + near.attributes
    body += b"" if bridge is None else _number(_IFLA_MASTER, bridge)
    body += _ONE_QUEUE + _info(b"veth", attribute(_VETH_INFO_PEER, peer))
    return Message(RTM_NEWLINK, _NEW, body, f"link {near.name}")


def link_up(ifindex: int, what: str) -> Message:
    """Bring a link up."""
    return Message(RTM_NEWLINK, NLM_F_REQUEST, _LINK.pack(0, 0, ifindex, _IFF_UP, _IFF_UP), what)


def link_without_ipv6(ifindex: int, what: str) -> Message:
    """Let a link that is still down take no IPv6 address of its own.

    A message of its own: the kernel refuses IFLA_AF_SPEC where a link is made, and brings a link up
    before it reads that.
    """
    mode = attribute(_IFLA_INET6_ADDR_GEN_MODE, _IN6_ADDR_GEN_MODE_NONE)
    body = _LINK.pack(0, 0, ifindex, 0, 0) + attribute(_IFLA_AF_SPEC, attribute(socket.AF_INET6, mode))
    return Message(RTM_NEWLINK, NLM_F_REQUEST, body, what)


def link_get(ifindex: int, what: str) -> Message:
    """Ask for one link; the kernel brings its operational state up to date before it answers."""
    return Message(RTM_GETLINK, NLM_F_REQUEST, _LINK.pack(0, 0, ifindex, 0, 0), what)


def address_add(
    ifindex: int, address: IPv4Interface | IPv6Interface, what: str, *, connected: bool = False
) -> Message:
    """Give a link an address, without its connected route: `route_add` makes that, with a metric.

    With `connected` the kernel makes it when the link comes up. Nobody is asked first whether an address of
    IPv6 is taken (RFC 4862, section 5.4): the plan gives each once.
    """
    packed, flags = address.ip.packed, 0 if connected else _IFA_F_NOPREFIXROUTE
    body = _ADDRESS.pack(_FAMILIES[address.version], address.network.prefixlen, 0, 0, ifindex)
    body += attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    if address.version == 6:
        flags |= _IFA_F_NODAD
    elif address.network.prefixlen < 31:  # RFC 3021: a network of two addresses has no broadcast
        body += attribute(_IFA_BROADCAST, address.network.broadcast_address.packed)
    body += _number(_IFA_FLAGS, flags)
    return Message(RTM_NEWADDR, _NEW, body, f"address {address} of {what}")


_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def _route(network: IPv4Network | IPv6Network, protocol: int, scope: int) -> bytes:
    family, length = _FAMILIES[network.version], network.prefixlen
    head = _ROUTE.pack(family, length, 0, 0, _RT_TABLE_MAIN, protocol, scope, _RTN_UNICAST, 0)
    return head + attribute(_RTA_DST, network.network_address.packed)


def _rto_min(milliseconds: int) -> bytes:
    # TCP heeds this metric only where it is locked.
    locked = _number(_RTAX_LOCK, 1 << _RTAX_RTO_MIN)
    return attribute(_RTA_METRICS, locked + _number(_RTAX_RTO_MIN, milliseconds))


def route_add(ifindex: int, address: IPv4Interface | IPv6Interface, rto_min_ms: int, what: str) -> Message:
    """Make an address's connected route as the kernel itself would, with TCP's least retransmission timeout.

    RFC 6298, section 2.4, is where the latter comes from; `rto_min_ms` is in milliseconds.
    """
    network = address.network
    if address.version == 4:
        body = _route(network, _RTPROT_KERNEL, _RT_SCOPE_LINK) + _number(_RTA_OIF, ifindex)
        body += attribute(_RTA_PREFSRC, address.ip.packed)
    else:
        body = _route(network, _RTPROT_KERNEL, _RT_SCOPE_UNIVERSE) + _number(_RTA_OIF, ifindex)
        body += _number(_RTA_PRIORITY, _IP6_RT_PRIO_ADDRCONF)
    return Message(RTM_NEWROUTE, _NEW, body + _rto_min(rto_min_ms), f"route {network} of {what}")


def gateway_add(
    ifindex: int,
    destination: IPv4Network | IPv6Network,
    gateway: IPv4Address | IPv6Address,
    rto_min_ms: int,
    what: str,
) -> Message:
    """Make a static route by a gateway, which must be on the link; the metric is that of `route_add`."""
    body = _route(destination, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE) + _number(_RTA_OIF, ifindex)
    body += attribute(_RTA_GATEWAY, gateway.packed) + _rto_min(rto_min_ms)
    return Message(RTM_NEWROUTE, _NEW, body, f"route {destination} by {gateway} of {what}")


def refusal(data: bytes, sent: Sequence[Message]) -> MachineError | None:
    """Find the error that an NLMSG_ERROR tells of a message of `sent` (sequence numbers count from 1).

    None for any other message, and for a mere acknowledgment.
    """
    _, kind, flags, sequence, _ = _HEADER.unpack_from(data)
    number = -struct.unpack_from("=i", data, _HEADER.size)[0]
    if kind != _NLMSG_ERROR or number == 0:
        return None
    what = sent[sequence - 1].what if 0 < sequence <= len(sent) else "a request"
    reason, hint = _REASONS.get(number, (os.strerror(number), ""))
    words = _extended(data) if flags & NLM_F_ACK_TLVS else ""
    told = f" (it says: {words})" if words and number not in _REASONS else ""
    return MachineError(f"the kernel refused {what}: {reason}{told}", hint)


def _extended(data: bytes) -> str:
    """Find the kernel's own sentence (NLMSGERR_ATTR_MSG); the request before it was cut to its header."""
    position = 2 * _HEADER.size + 4
    while position + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, position)
        if kind == 1:
            return data[position + _ATTRIBUTE.size : position + size].rstrip(b"\0").decode(errors="replace")
        position += max(_ATTRIBUTE.size, size + -size % 4)
    return ""


def _running(data: bytes) -> tuple[int, bool] | None:
    """(ifindex, whether it can carry packets) of an RTM_NEWLINK; None for any other message."""
    if _HEADER.unpack_from(data)[1] != RTM_NEWLINK:
        return None
    _, _, index, flags, _ = _LINK.unpack_from(data, _HEADER.size)
    return index, bool(flags & _IFF_RUNNING)


class RouteSocket:
    """A route netlink socket; it stays in the network namespace that is the thread's when it is made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._sent: Sequence[Message] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; twice is harmless."""
        self._socket.close()

    def send(self, messages: Sequence[Message], passing: Container[int] = ()) -> None:
        """Send messages, unacknowledged; raises MachineError for the first that is refused.

        Those after it in the same batch have been carried out. Errors (errno) that are `passing` are none.
        """
        for first in range(0, len(messages), _BATCH):
            self._put(messages[first : first + _BATCH])
            self.check(passing)

    def check(self, passing: Container[int] = ()) -> None:
        """Raise MachineError if the kernel refused a message; it has answered by the time send returns."""
        while (data := self._get(socket.MSG_DONTWAIT)) is not None:
            error = refusal(data, self._sent)
            if error and -struct.unpack_from("=i", data, _HEADER.size)[0] not in passing:
                raise error

    def offload_off(self, name: str) -> None:
        """Let the sender compute every checksum, and so cut every segment, before a packet is on the link."""
        value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0), 8)
        request = struct.pack("@16sP16x", name.encode(), ctypes.addressof(value))
        try:
            fcntl.ioctl(self._socket, _SIOCETHTOOL, request)
        except OSError as error:
            what = f"checksum offload of {name} cannot be switched off: {error.strerror}"
            raise MachineError(what, "run `netlab doctor`") from error

    def wait_running(self, links: Mapping[int, str], seconds: float) -> None:
        """Return once each link (ifindex → what to call it) carries packets; MachineError after `seconds`."""
        deadline = time.monotonic() + seconds
        late = self._ask(links)
        if not late:
            return
        # Older kernels answer without bringing the state up to date: there, the events tell.
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _RTNLGRP_LINK)
        try:
            late = self._ask(late)
            while late:
                late = self._events(late, deadline)
        finally:
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_DROP_MEMBERSHIP, _RTNLGRP_LINK)

    def _put(self, messages: Sequence[Message]) -> None:
        self._sent = messages
        self._socket.send(b"".join([message.encode(number) for number, message in enumerate(messages, 1)]))

    def _get(self, flags: int = 0) -> bytes | None:
        """Take the next message; None where there is none, or where some were lost for want of room."""
        try:
            return self._socket.recv(_RECEIVE, flags)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return None
            raise

    def _ask(self, links: Mapping[int, str]) -> dict[int, str]:
        """Ask for the links, and say which do not carry packets yet."""
        late = dict(links)
        asked = [link_get(index, what) for index, what in links.items()]
        for first in range(0, len(asked), _BATCH):
            self._put(asked[first : first + _BATCH])
            while (data := self._get(socket.MSG_DONTWAIT)) is not None:
                self._note(data, late)
        return late

    def _note(self, data: bytes, late: dict[int, str]) -> None:
        if error := refusal(data, self._sent):
            raise error
        state = _running(data)
        if state and state[1]:
            late.pop(state[0], None)

    def _events(self, late: dict[int, str], deadline: float) -> dict[int, str]:
        """Wait for the next event and say what is still late; what was lost is asked for again."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise MachineError(f"{', '.join(late.values())} did not come up", "is the other end up?")
        data = self._get(socket.MSG_DONTWAIT)
        if data is None:
            return self._ask(late)
        self._note(data, late)
        return late
