"""A rule in the kernel's terms: the nf_tables expressions of what it matches, of its counter and its verdict.

The kernel runs them in order, as a small program over registers; the first that does not match ends the rule.
Counterpart: `netlab.plan.rules`, which says the same in nft's words.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, ip_network

from netlab.kernel.nftables import attribute, expression, nested, number
from netlab.plan.model import Rule

# linux/netfilter/nf_tables.h
_REGISTER, _SECOND_REGISTER = 1, 2
_CMP_EQ, _CMP_NEQ = 0, 1
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_META_IIFNAME, _META_OIFNAME, _META_NFPROTO, _META_L4PROTO = 6, 7, 15, 16
_CT_STATE = 0
_REJECT_TCP_RST, _REJECT_ICMPX, _ICMPX_PORT_UNREACHABLE = 1, 2, 1
_NAT_DNAT = 1
_IFNAMSIZ = 16

_VERDICTS: Mapping[str, int] = {"drop": 0, "accept": 1}
_FAMILIES: Mapping[str, int] = {"ipv4": 2, "ipv6": 10}
_PROTOCOLS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}  # IANA's protocol numbers
# RFC 9293, 3.1
_TCP_FLAGS: Mapping[str, int] = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
_TCP_FLAGS_OFFSET = 13
_SOURCE_PORT, _DESTINATION_PORT = 0, 2  # RFC 9293, 3.1, and RFC 768
# IP version → offsets of source and destination (RFC 791, 3.1; RFC 8200, 3).
_ADDRESS_OFFSETS = {4: (12, 16), 6: (8, 24)}
# NF_CT_STATE_BIT of linux/netfilter/nf_conntrack_common.h
_STATES: Mapping[str, int] = {"established": 2, "related": 4, "new": 8}


def expressions(rule: Rule) -> list[bytes]:
    """Say a rule in the kernel's terms: what it compares, a counter, a verdict."""
    said = [part for kind, value in rule.matches for part in _MATCHES[kind](value)]
    return [*said, expression("counter"), *_verdict(rule.verdict)]


def _verdict(verdict: str) -> list[bytes]:
    match verdict.split():
        case ["reject"]:
            code = attribute(2, bytes([_ICMPX_PORT_UNREACHABLE]))
            return [expression("reject", number(1, _REJECT_ICMPX), code)]
        case ["tcp-reset"]:
            return [expression("reject", number(1, _REJECT_TCP_RST))]
        case ["masquerade"]:
            return [expression("masq")]
        case ["dnat", "ip", "to", target]:
            return _dnat(target)
    code = nested(2, nested(2, number(1, _VERDICTS[verdict])))
    return [expression("immediate", number(1, 0), code)]


def _dnat(target: str) -> list[bytes]:
    """`dnat ip to 10.0.0.80:80`: address and port are put into registers, of which nat takes them."""
    address, _, port = target.partition(":")
    to = (number(3, _REGISTER), number(5, _SECOND_REGISTER))
    return [
        expression("immediate", number(1, _REGISTER), _data(2, IPv4Address(address).packed)),
        expression("immediate", number(1, _SECOND_REGISTER), _data(2, struct.pack(">H", int(port)))),
        expression("nat", number(1, _NAT_DNAT), number(2, _FAMILIES["ipv4"]), *to),
    ]


def _data(kind: int, value: bytes) -> bytes:
    return nested(kind, attribute(1, value))


def _compare(value: bytes, operation: int = _CMP_EQ) -> bytes:
    return expression("cmp", number(1, _REGISTER), number(2, operation), _data(3, value))


def _meta(key: int) -> bytes:
    return expression("meta", number(1, _REGISTER), number(2, key))


def _payload(header: int, offset: int, length: int) -> bytes:
    return expression(
        "payload", number(1, _REGISTER), number(2, header), number(3, offset), number(4, length)
    )


def _bitwise(mask: bytes) -> bytes:
    registers = (number(1, _REGISTER), number(2, _REGISTER), number(3, len(mask)))
    return expression("bitwise", *registers, _data(4, mask), _data(5, bytes(len(mask))))


def _family(name: str) -> list[bytes]:
    """`meta nfproto ipv4`."""
    return [_meta(_META_NFPROTO), _compare(bytes([_FAMILIES[name]]))]


def _l4proto(name: str) -> list[bytes]:
    """`meta l4proto tcp`."""
    return [_meta(_META_L4PROTO), _compare(bytes([_PROTOCOLS[name]]))]


def _tcp_flag(name: str) -> list[bytes]:
    """`tcp flags & rst == rst`."""
    flag = bytes([_TCP_FLAGS[name]])
    return [_payload(_TRANSPORT_HEADER, _TCP_FLAGS_OFFSET, 1), _bitwise(flag), _compare(flag)]


def _port(offset: int) -> Callable[[str], list[bytes]]:
    """`tcp dport 80`."""
    return lambda value: [
        _payload(_TRANSPORT_HEADER, offset, 2),
        _compare(struct.pack(">H", int(value))),
    ]


def _address(which: int) -> Callable[[str], list[bytes]]:
    """`ip saddr 10.0.0.0/24`; the family was compared before."""

    def match(value: str) -> list[bytes]:
        subnet = ip_network(value)
        own, mask = subnet.network_address.packed, subnet.netmask.packed
        loaded = _payload(_NETWORK_HEADER, _ADDRESS_OFFSETS[subnet.version][which], len(own))
        masked = [_bitwise(mask)] if subnet.prefixlen < subnet.max_prefixlen else []
        return [loaded, *masked, _compare(own)]

    return match


def _interface(key: int) -> Callable[[str], list[bytes]]:
    """`iifname "eth0"`."""
    return lambda name: [_meta(key), _compare(name.encode().ljust(_IFNAMSIZ, b"\0"))]


def _state(names: str) -> list[bytes]:
    """`ct state established,related`: a bit for each, of a word in the machine's own byte order."""
    bits = sum(_STATES[name] for name in names.split(",")).to_bytes(4, sys.byteorder)
    # NFTA_CT_DREG and NFTA_CT_KEY
    loaded = expression("ct", number(1, _REGISTER), number(2, _CT_STATE))
    return [loaded, _bitwise(bits), _compare(bytes(4), _CMP_NEQ)]


# What a plan's rule may match on, and how the kernel is told.
_MATCHES: Mapping[str, Callable[[str], list[bytes]]] = {
    "in": _interface(_META_IIFNAME),
    "out": _interface(_META_OIFNAME),
    "family": _family,
    "source": _address(0),
    "destination": _address(1),
    "state": _state,
    "protocol": _l4proto,
    "source-port": _port(_SOURCE_PORT),
    "port": _port(_DESTINATION_PORT),
    "tcp-flag": _tcp_flag,
}
