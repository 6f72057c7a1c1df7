"""The packed nf_tables messages are pyroute2's own, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from pyroute2.netlink.nfnetlink.nftsocket import nft_chain_msg, nft_rule_msg, nft_table_msg

from netlab.kernel import firewall, nftables
from netlab.plan.rules import RULES

ACK_CREATE_EXCL = 0x605
ACK_CREATE_APPEND = 0xC05
INET = 1


def theirs(message: Any, kind: int, flags: int, attrs: list[Any]) -> bytes:
    """Let pyroute2 encode a message."""
    message["header"].update({"type": 10 << 8 | kind, "flags": flags, "sequence_number": 7, "pid": 0})
    message["nfgen_family"] = INET
    message["version"] = 0
    message["res_id"] = 0
    message["attrs"] = attrs
    message.encode()
    return bytes(message.data)


def test_table_is_pyroute2s() -> None:
    """A new table is encoded as pyroute2 does."""
    ours = nftables.table("netlab").encode(7)
    assert ours == theirs(nft_table_msg(), 0, ACK_CREATE_EXCL, [("NFTA_TABLE_NAME", "netlab")])


@pytest.mark.parametrize(("hook", "number"), [("input", 1), ("forward", 2), ("output", 3)])
def test_chain_is_pyroute2s(hook: str, number: int) -> None:
    """A base chain is encoded as pyroute2 does: hook, priority 0, policy accept."""
    attrs = [
        ("NFTA_CHAIN_TABLE", "netlab"),
        ("NFTA_CHAIN_NAME", hook),
        ("NFTA_CHAIN_HOOK", {"attrs": [("NFTA_HOOK_HOOKNUM", number), ("NFTA_HOOK_PRIORITY", 0)]}),
        ("NFTA_CHAIN_POLICY", 1),
        ("NFTA_CHAIN_TYPE", "filter"),
    ]
    assert nftables.chain("netlab", hook).encode(7) == theirs(nft_chain_msg(), 3, ACK_CREATE_EXCL, attrs)


def test_rule_is_pyroute2s() -> None:
    """The rule that holds back RSTs is encoded as pyroute2 does, every expression of it."""
    rule = RULES["hold-back-rst"]
    ours = nftables.rule("netlab", rule.chain, firewall.expressions(rule), rule.name).encode(7)
    attrs = [
        ("NFTA_RULE_TABLE", "netlab"),
        ("NFTA_RULE_CHAIN", "output"),
        ("NFTA_RULE_EXPRESSIONS", EXPRESSIONS),
        ("NFTA_RULE_USERDATA", {"value": rule.name}),
    ]
    assert ours == theirs(nft_rule_msg(), 6, ACK_CREATE_APPEND, attrs)


def _value(octet: int) -> Any:
    return {"attrs": [("NFTA_DATA_VALUE", bytes([octet]))]}


def _expression(name: str, **fields: Any) -> Any:
    data = [(f"NFTA_{name.upper()}_{field.upper()}", value) for field, value in fields.items()]
    return {"attrs": [("NFTA_EXPR_NAME", name), ("NFTA_EXPR_DATA", {"attrs": data})]}


def _drop() -> Any:
    return {"attrs": [("NFTA_DATA_VERDICT", {"attrs": [("NFTA_VERDICT_CODE", 0)]})]}


EXPRESSIONS = [
    _expression("meta", dreg=1, key=16),
    _expression("cmp", sreg=1, op=0, data=_value(6)),
    _expression("payload", dreg=1, base=2, offset=13, len=1),
    _expression("bitwise", sreg=1, dreg=1, len=1, mask=_value(4), xor=_value(0)),
    _expression("cmp", sreg=1, op=0, data=_value(4)),
    _expression("counter"),
    _expression("immediate", dreg=0, data=_drop()),
]
