"""The rules of one node, in nftables: put in place, and their counters read.

The rules live in the table `inet netlab` of the current network namespace; each carries its name as nft's
comment. Counterparts: `netlab.plan.rules`, which says what the rules are, and `netlab.kernel.expressions`,
which says them in the kernel's terms.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from netlab.kernel import nftables
from netlab.kernel.expressions import expressions
from netlab.kernel.nftables import attributes
from netlab.plan.model import Rule

TABLE = "netlab"
_FILTER = ("filter", 0)
# Hook → type and priority (NF_IP_PRI_NAT_DST, NF_IP_PRI_NAT_SRC) where they are others.
_CHAINS: Mapping[str, tuple[str, int]] = {"prerouting": ("nat", -100), "postrouting": ("nat", 100)}
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
                *(chain(hook) for hook in chains),
                *(nftables.rule(TABLE, rule.chain, expressions(rule), rule.name) for rule in rules),
            ]
        )


def chain(hook: str) -> nftables.Message:
    """Make the base chain of a hook."""
    return nftables.chain(TABLE, hook, *_CHAINS.get(hook, _FILTER))


def counters() -> dict[str, tuple[int, int]]:
    """Read what each rule has matched so far in the current network namespace: name → (packets, bytes)."""
    counted: dict[str, tuple[int, int]] = {}
    with nftables.Socket("the firewall's counters") as nft:
        for packed in nft.rules():
            rule = dict(attributes(packed))
            # Raw rules may stand in this table too, but have no name.
            if rule[_RULE_TABLE] == TABLE.encode() + b"\0" and _RULE_USERDATA in rule:
                name = comment(rule[_RULE_USERDATA])
                before = counted.get(name, (0, 0))
                packets, octets = _count(rule[_RULE_EXPRESSIONS])
                counted[name] = (before[0] + packets, before[1] + octets)
    return counted


def comment(userdata: bytes) -> str:
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
