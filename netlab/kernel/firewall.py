"""The rules of one node, in nftables: put in place, and their counters read.

The rules live in the table `inet netlab` of the current network namespace; each carries its name as nft's
comment. Counterparts: `netlab.plan.rules`, which says what the rules are, and `netlab.kernel.nftables`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from netlab.kernel import nftables
from netlab.kernel.nftables import attributes, expression, nested, number
from netlab.plan.model import Rule

TABLE = "netlab"
_VERDICTS: Mapping[str, int] = {"drop": 0, "accept": 1}
_CMP_EQ, _REGISTER, _META_L4PROTO, _TRANSPORT_HEADER = 0, 1, 16, 2  # linux/netfilter/nf_tables.h
_PROTOCOLS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17}  # IANA's protocol numbers
# RFC 9293, 3.1
_TCP_FLAGS: Mapping[str, int] = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
_TCP_FLAGS_OFFSET = 13
_RULE_TABLE, _RULE_EXPRESSIONS, _RULE_USERDATA = 1, 4, 7
_EXPRESSION_NAME, _EXPRESSION_DATA = 1, 2
_COUNTER_BYTES, _COUNTER_PACKETS = 1, 2


def apply(rules: Sequence[Rule]) -> None:
    """Put rules in place in the current network namespace, in a table that must not be there yet.

    MachineError where the kernel has no nf_tables or refuses a rule.
    """
    if not rules:
        return
    chains = dict.fromkeys(rule.chain for rule in rules)
    with nftables.Socket("the firewall") as nft:
        nft.commit(
            [
                nftables.table(TABLE),
                *(nftables.chain(TABLE, hook) for hook in chains),
                *(nftables.rule(TABLE, rule.chain, expressions(rule), rule.name) for rule in rules),
            ]
        )


def counters() -> dict[str, tuple[int, int]]:
    """Read what each rule has matched so far in the current network namespace: name → (packets, bytes)."""
    counted = {}
    with nftables.Socket("the firewall's counters") as nft:
        for packed in nft.rules():
            rule = dict(attributes(packed))
            if rule[_RULE_TABLE] == TABLE.encode() + b"\0":
                counted[_comment(rule[_RULE_USERDATA])] = _count(rule[_RULE_EXPRESSIONS])
    return counted


def _comment(userdata: bytes) -> str:
    """Read nft's comment: a type, a length, a string that ends in NUL."""
    return userdata[2 : 2 + userdata[1]].rstrip(b"\0").decode()


def _count(packed: bytes) -> tuple[int, int]:
    """Find the counter among a rule's expressions; (packets, bytes)."""
    for _, element in attributes(packed):
        parts = dict(attributes(element))
        if parts[_EXPRESSION_NAME] == b"counter\0":
            counter = dict(attributes(parts[_EXPRESSION_DATA]))
            packets, octets = (
                struct.unpack(">Q", counter[kind])[0] for kind in (_COUNTER_PACKETS, _COUNTER_BYTES)
            )
            return packets, octets
    return 0, 0


def expressions(rule: Rule) -> list[bytes]:
    """Say a rule in the kernel's terms: what it compares, a counter, a verdict."""
    said = [part for match, value in rule.matches for part in _MATCHES[match](value)]
    verdict = nested(2, nested(2, number(1, _VERDICTS[rule.verdict])))
    return [*said, expression("counter"), expression("immediate", number(1, 0), verdict)]


def _data(kind: int, value: int) -> bytes:
    return nested(kind, nftables.attribute(1, bytes([value])))


def _compare(value: int) -> bytes:
    return expression("cmp", number(1, _REGISTER), number(2, _CMP_EQ), _data(3, value))


def _l4proto(name: str) -> list[bytes]:
    """`meta l4proto tcp`."""
    return [
        expression("meta", number(1, _REGISTER), number(2, _META_L4PROTO)),
        _compare(_PROTOCOLS[name]),
    ]


def _tcp_flag(name: str) -> list[bytes]:
    """`tcp flags & rst == rst`."""
    flag = _TCP_FLAGS[name]
    where = (number(2, _TRANSPORT_HEADER), number(3, _TCP_FLAGS_OFFSET), number(4, 1))
    registers = (number(1, _REGISTER), number(2, _REGISTER), number(3, 1))
    return [
        expression("payload", number(1, _REGISTER), *where),
        expression("bitwise", *registers, _data(4, flag), _data(5, 0)),
        _compare(flag),
    ]


# What a plan's rule may match on, and how the kernel is told.
_MATCHES: Mapping[str, Callable[[str], list[bytes]]] = {"protocol": _l4proto, "tcp-flag": _tcp_flag}
