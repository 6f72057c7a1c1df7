"""Each word of a rule is pyroute2's own encoding of the expressions that nft makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from pyroute2.netlink.nfnetlink.nftsocket import nft_rule_msg

from netlab.kernel import nftables
from netlab.kernel.expressions import expressions
from netlab.plan.model import Rule


def _expression(name: str, **fields: Any) -> Any:
    data = [(f"NFTA_{name.upper()}_{field.upper()}", value) for field, value in fields.items()]
    return {"attrs": [("NFTA_EXPR_NAME", name), ("NFTA_EXPR_DATA", {"attrs": data})]}


def _value(octets: bytes) -> Any:
    return {"attrs": [("NFTA_DATA_VALUE", octets)]}


def _compare(octets: bytes, op: int = 0) -> Any:
    return _expression("cmp", sreg=1, op=op, data=_value(octets))


def _mask(octets: bytes) -> Any:
    none = _value(bytes(len(octets)))
    return _expression("bitwise", sreg=1, dreg=1, len=len(octets), mask=_value(octets), xor=none)


def _verdict(code: int) -> Any:
    data = {"attrs": [("NFTA_DATA_VERDICT", {"attrs": [("NFTA_VERDICT_CODE", code)]})]}
    return _expression("immediate", dreg=0, data=data)


COUNTER = _expression("counter")
MATCHES = {
    ("in", "eth0"): [_expression("meta", dreg=1, key=6), _compare(b"eth0".ljust(16, b"\0"))],
    ("out", "eth1"): [_expression("meta", dreg=1, key=7), _compare(b"eth1".ljust(16, b"\0"))],
    ("family", "ipv6"): [_expression("meta", dreg=1, key=15), _compare(b"\x0a")],
    ("source", "10.0.0.9/32"): [
        _expression("payload", dreg=1, base=1, offset=12, len=4),
        _compare(bytes([10, 0, 0, 9])),
    ],
    ("destination", "10.0.0.0/8"): [
        _expression("payload", dreg=1, base=1, offset=16, len=4),
        _mask(b"\xff\0\0\0"),
        _compare(b"\x0a\0\0\0"),
    ],
    ("destination", "fd00::/8"): [
        _expression("payload", dreg=1, base=1, offset=24, len=16),
        _mask(b"\xff" + bytes(15)),
        _compare(b"\xfd" + bytes(15)),
    ],
    ("protocol", "icmpv6"): [_expression("meta", dreg=1, key=16), _compare(b"\x3a")],
    ("port", "80"): [_expression("payload", dreg=1, base=2, offset=2, len=2), _compare(b"\0\x50")],
    ("source-port", "53"): [_expression("payload", dreg=1, base=2, offset=0, len=2), _compare(b"\0\x35")],
}
VERDICTS = {
    "accept": [_verdict(1)],
    "reject": [_expression("reject", type=2, icmp_code=1)],
    "tcp-reset": [_expression("reject", type=1)],
    "masquerade": [_expression("masq")],
    "dnat ip to 10.0.0.80:8080": [
        _expression("immediate", dreg=1, data=_value(bytes([10, 0, 0, 80]))),
        _expression("immediate", dreg=2, data=_value(b"\x1f\x90")),
        _expression("nat", type=1, family=2, reg_addr_min=1, reg_proto_min=2),
    ],
}


def theirs(said: list[Any]) -> bytes:
    """Let pyroute2 encode a rule."""
    message = nft_rule_msg()
    message["header"].update({"type": 10 << 8 | 6, "flags": 0xC05, "sequence_number": 7, "pid": 0})
    message["nfgen_family"], message["version"], message["res_id"] = 1, 0, 0
    message["attrs"] = [
        ("NFTA_RULE_TABLE", "netlab"),
        ("NFTA_RULE_CHAIN", "input"),
        ("NFTA_RULE_EXPRESSIONS", said),
        ("NFTA_RULE_USERDATA", {"value": "x"}),
    ]
    message.encode()
    return bytes(message.data)


def ours(matches: tuple[tuple[str, str], ...], verdict: str) -> bytes:
    """Encode a rule as netlab does."""
    rule = Rule("x", "", "input", "", matches, verdict)
    return nftables.rule("netlab", "input", expressions(rule), "x").encode(7)


@pytest.mark.parametrize("match", MATCHES, ids=" ".join)
def test_a_match_is_pyroute2s(match: tuple[str, str]) -> None:
    """A match is encoded as pyroute2 does."""
    assert ours((match,), "drop") == theirs([*MATCHES[match], COUNTER, _verdict(0)])


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_is_pyroute2s(verdict: str) -> None:
    """A verdict is encoded as pyroute2 does."""
    assert ours((), verdict) == theirs([COUNTER, *VERDICTS[verdict]])


def test_a_connections_state_is_pyroute2s() -> None:
    """The state is a bit of a word in the machine's own order."""
    import sys

    bit = (8).to_bytes(4, sys.byteorder)
    said = [_expression("ct", dreg=1, key=0), _mask(bit), _compare(bytes(4), op=1), COUNTER, _verdict(0)]
    assert ours((("state", "new"),), "drop") == theirs(said)
