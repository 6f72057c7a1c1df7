"""The packed messages are what pyroute2 would send, and a refusal is a sentence."""

from __future__ import annotations

import errno
import os
import socket
import struct
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netlab.kernel import netlink
from netlab.kernel.netlink import Message, VethEnd, refusal

REQUEST, CREATE_NEW = 0x1, 0x601  # NLM_F_REQUEST; with NLM_F_CREATE and NLM_F_EXCL too
SEQUENCE = 7
UP = {"flags": 1, "change": 1}  # IFF_UP

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.~", min_size=1, max_size=15)
macs = st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":"))
indexes = st.integers(1, 2**31 - 1)
addresses = st.builds(
    lambda number, prefix: IPv4Interface((number, prefix)), st.integers(0, 2**32 - 1), st.integers(0, 32)
)


addresses6 = st.builds(
    lambda number, prefix: IPv6Interface((number, prefix)), st.integers(1, 2**128 - 1), st.integers(1, 128)
)


def encoded(message: nlmsg, kind: int, flags: int, fields: dict[str, int], attributes: list[Any]) -> bytes:
    """Encode with pyroute2's own message class."""
    message["header"] = {"type": kind, "flags": flags, "sequence_number": SEQUENCE, "pid": 0}
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = attributes
    message.encode()
    return bytes(message.data)


def link(kind: int, flags: int, attributes: list[Any], fields: dict[str, int]) -> bytes:
    """Encode a message about a link."""
    return encoded(ifinfmsg(), kind, flags, {"family": 0, **fields}, attributes)


def info(kind: str, data: list[Any]) -> tuple[str, Any]:
    """Nest what a kind of link takes."""
    return "IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", kind), ("IFLA_INFO_DATA", {"attrs": data})]}


@given(names, indexes, macs)
def test_bridge_is_what_pyroute2_encodes(name: str, ifindex: int, mac: str) -> None:
    """A bridge is one message: up, no snooping, no STP, no forward delay."""
    data = [("IFLA_BR_FORWARD_DELAY", 0), ("IFLA_BR_STP_STATE", 0), ("IFLA_BR_MCAST_SNOOPING", 0)]
    attributes = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac), info("bridge", data)]
    wanted = link(netlink.RTM_NEWLINK, CREATE_NEW, attributes, {"index": ifindex, **UP})
    assert netlink.bridge_add(name, ifindex, mac).encode(SEQUENCE) == wanted


@given(names, indexes, macs, names, indexes, macs)
def test_veth_is_what_pyroute2_encodes(
    near: str, near_index: int, near_mac: str, far: str, far_index: int, far_mac: str
) -> None:
    """A veth pair is one message: a bridge's port here, the peer born in its namespace, one queue each."""
    queues = [("IFLA_NUM_TX_QUEUES", 1), ("IFLA_NUM_RX_QUEUES", 1)]
    named = [("IFLA_IFNAME", far), ("IFLA_ADDRESS", far_mac)]
    peer_attributes = [*named, *queues, ("IFLA_GSO_MAX_SEGS", 1), ("IFLA_NET_NS_FD", 9)]
    peer = {"index": far_index, "attrs": peer_attributes}
    attributes = [("IFLA_IFNAME", near), ("IFLA_ADDRESS", near_mac), ("IFLA_MASTER", 100), *queues]
    attributes.append(info("veth", [("VETH_INFO_PEER", peer)]))
    wanted = link(netlink.RTM_NEWLINK, CREATE_NEW, attributes, {"index": near_index, **UP})
    ends = VethEnd(near, near_index, near_mac), VethEnd(far, far_index, far_mac)
    assert netlink.veth_add(*ends, bridge=100, namespace=9).encode(SEQUENCE) == wanted


@given(indexes)
def test_link_messages_are_what_pyroute2_encodes(ifindex: int) -> None:
    """So are a link's getting up, its going without IPv6, and the question about its state."""
    up = link(netlink.RTM_NEWLINK, REQUEST, [], {"index": ifindex, **UP})
    assert netlink.link_up(ifindex, "x").encode(SEQUENCE) == up
    inet6 = {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", 1)]})]}
    without = link(netlink.RTM_NEWLINK, REQUEST, [("IFLA_AF_SPEC", inet6)], {"index": ifindex})
    assert netlink.link_without_ipv6(ifindex, "x").encode(SEQUENCE) == without
    asked = link(netlink.RTM_GETLINK, REQUEST, [], {"index": ifindex})
    assert netlink.link_get(ifindex, "x").encode(SEQUENCE) == asked


@given(indexes, addresses)
def test_address_is_what_pyroute2_encodes(ifindex: int, address: IPv4Interface) -> None:
    """An address comes without a route of its own, and with a broadcast address where its network has one."""
    attributes: list[Any] = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]
    if address.network.prefixlen < 31:
        attributes.append(("IFA_BROADCAST", str(address.network.broadcast_address)))
    attributes.append(("IFA_FLAGS", 0x200))
    fields = {"family": socket.AF_INET, "prefixlen": address.network.prefixlen, "index": ifindex}
    wanted = encoded(ifaddrmsg(), netlink.RTM_NEWADDR, CREATE_NEW, fields, attributes)
    assert netlink.address_add(ifindex, address, "x").encode(SEQUENCE) == wanted


@given(indexes, addresses, st.integers(0, 2**32 - 1))
def test_route_is_what_pyroute2_encodes(ifindex: int, address: IPv4Interface, rto_min: int) -> None:
    """The connected route has the kernel's own protocol and scope, a source and one metric, a locked one."""
    fields = {
        "family": socket.AF_INET,
        "dst_len": address.network.prefixlen,
        "table": 254,
        "proto": 2,
        "scope": 253,
        "type": 1,
    }
    attributes = [
        ("RTA_DST", str(address.network.network_address)),
        ("RTA_OIF", ifindex),
        ("RTA_PREFSRC", str(address.ip)),
        ("RTA_METRICS", {"attrs": [("RTAX_LOCK", 1 << 13), ("RTAX_RTO_MIN", rto_min)]}),
    ]
    wanted = encoded(rtmsg(), netlink.RTM_NEWROUTE, CREATE_NEW, fields, attributes)
    assert netlink.route_add(ifindex, address, rto_min, "x").encode(SEQUENCE) == wanted


@given(names, indexes, macs)
def test_hub_is_what_pyroute2_encodes(name: str, ifindex: int, mac: str) -> None:
    """A hub is the same bridge, which forgets at once whom it has seen where."""
    data = [("IFLA_BR_FORWARD_DELAY", 0), ("IFLA_BR_STP_STATE", 0), ("IFLA_BR_MCAST_SNOOPING", 0)]
    kind = info("bridge", [*data, ("IFLA_BR_AGEING_TIME", 0)])
    attributes = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac), kind]
    wanted = link(netlink.RTM_NEWLINK, CREATE_NEW, attributes, {"index": ifindex, **UP})
    assert netlink.bridge_add(name, ifindex, mac, learns=False).encode(SEQUENCE) == wanted


@given(st.integers(68, 65535))
def test_mtu_is_what_pyroute2_encodes(mtu: int) -> None:
    """An MTU is told of both ends of a cable, behind their MAC addresses."""
    queues = [("IFLA_NUM_TX_QUEUES", 1), ("IFLA_NUM_RX_QUEUES", 1)]
    named = [("IFLA_IFNAME", "eth0"), ("IFLA_ADDRESS", "02:00:00:00:00:01"), ("IFLA_MTU", mtu)]
    peer = {"index": 101, "attrs": [*named, *queues, ("IFLA_GSO_MAX_SEGS", 1), ("IFLA_NET_NS_FD", 9)]}
    attributes = [("IFLA_IFNAME", "a"), ("IFLA_ADDRESS", "02:00:00:00:00:02"), ("IFLA_MTU", mtu)]
    attributes += [("IFLA_MASTER", 100), *queues, info("veth", [("VETH_INFO_PEER", peer)])]
    wanted = link(netlink.RTM_NEWLINK, CREATE_NEW, attributes, {"index": 102, **UP})
    near = VethEnd("a", 102, "02:00:00:00:00:02", mtu)
    far = VethEnd("eth0", 101, "02:00:00:00:00:01", mtu)
    assert netlink.veth_add(near, far, bridge=100, namespace=9).encode(SEQUENCE) == wanted


@given(indexes, addresses6, st.integers(0, 2**32 - 1))
def test_ipv6_is_what_pyroute2_encodes(ifindex: int, address: IPv6Interface, rto_min: int) -> None:
    """An address of IPv6 is in use at once (nodad); its route has the kernel's priority, and no source."""
    attributes: list[Any] = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]
    attributes.append(("IFA_FLAGS", 0x202))
    prefix = address.network.prefixlen
    fields = {"family": socket.AF_INET6, "prefixlen": prefix, "index": ifindex}
    wanted = encoded(ifaddrmsg(), netlink.RTM_NEWADDR, CREATE_NEW, fields, attributes)
    assert netlink.address_add(ifindex, address, "x").encode(SEQUENCE) == wanted
    metrics = {"attrs": [("RTAX_LOCK", 1 << 13), ("RTAX_RTO_MIN", rto_min)]}
    attributes = [("RTA_DST", str(address.network.network_address)), ("RTA_OIF", ifindex)]
    attributes += [("RTA_PRIORITY", 256), ("RTA_METRICS", metrics)]
    fields = {"family": socket.AF_INET6, "dst_len": prefix, "table": 254, "proto": 2, "scope": 0, "type": 1}
    wanted = encoded(rtmsg(), netlink.RTM_NEWROUTE, CREATE_NEW, fields, attributes)
    assert netlink.route_add(ifindex, address, rto_min, "x").encode(SEQUENCE) == wanted


@given(indexes, addresses | addresses6, addresses | addresses6, st.integers(0, 2**32 - 1))
def test_gateway_is_what_pyroute2_encodes(
    ifindex: int, to: IPv4Interface | IPv6Interface, by: IPv4Interface | IPv6Interface, rto_min: int
) -> None:
    """A static route names its link, its gateway and TCP's metric; the default route is no other."""
    assume(to.version == by.version)
    metrics = {"attrs": [("RTAX_LOCK", 1 << 13), ("RTAX_RTO_MIN", rto_min)]}
    attributes = [("RTA_DST", str(to.network.network_address)), ("RTA_OIF", ifindex)]
    attributes += [("RTA_GATEWAY", str(by.ip)), ("RTA_METRICS", metrics)]
    family = socket.AF_INET if to.version == 4 else socket.AF_INET6
    length = to.network.prefixlen
    fields = {"family": family, "dst_len": length, "table": 254, "proto": 4, "scope": 0, "type": 1}
    wanted = encoded(rtmsg(), netlink.RTM_NEWROUTE, CREATE_NEW, fields, attributes)
    assert netlink.gateway_add(ifindex, to.network, by.ip, rto_min, "x").encode(SEQUENCE) == wanted


def error_message(number: int, sequence: int, words: str = "") -> bytes:
    """Build an NLMSG_ERROR as NETLINK_CAP_ACK has it: of the request the header alone is repeated."""
    body = struct.pack("=iIHHII", -number, 16, netlink.RTM_NEWLINK, CREATE_NEW, sequence, 0)
    if words:
        text = words.encode() + b"\0"
        body += struct.pack("=HH", 4 + len(text), 1) + text + bytes(-len(text) % 4)
    return struct.pack("=IHHII", 16 + len(body), 2, 0x200 if words else 0, sequence, 0) + body


SENT = [
    Message(netlink.RTM_NEWLINK, REQUEST, b"", what) for what in ("bridge br-lan", "link web", "link dns")
]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EXFULL, "a bridge takes 1023 ports — spread the nodes over several networks"),
        (errno.EPERM, "it takes CAP_NET_ADMIN over the network namespace — run `netlab doctor`"),
        (errno.EEXIST, "one of that name or number is there already — run it in a fresh network namespace"),
        (errno.EDOM, os.strerror(errno.EDOM)),
    ],
)
def test_refusal_names_object_and_reason(number: int, words: str) -> None:
    """The sequence number finds the object, the errno the words and the cure."""
    assert str(refusal(error_message(number, 2), SENT)) == f"the kernel refused link web: {words}"


def test_refusal_repeats_what_the_kernel_says() -> None:
    """Where we have no words of our own, the kernel's sentence is given."""
    error = refusal(error_message(errno.EINVAL, 3, "Invalid MTU"), SENT)
    assert str(error) == "the kernel refused link dns: Invalid argument (it says: Invalid MTU)"


def test_refusal_of_something_unknown_is_still_told() -> None:
    """A sequence number that is not ours does not hide an error."""
    assert str(refusal(error_message(errno.EDOM, 99), SENT)).startswith("the kernel refused a request: ")


def test_acknowledgments_and_answers_are_no_refusal() -> None:
    """Neither an error of zero nor a message of another kind is one."""
    assert refusal(error_message(0, 1), SENT) is None
    assert refusal(netlink.link_up(100, "x").encode(1), SENT) is None
