"""The rules of one node, in nftables: put in place, and their counters read.

The rules live in the table `inet netlab` of the current network namespace; each carries its name as nft's
comment. Counterpart: `netlab.plan.rules`, which says what the rules are. Importing pyroute2 takes a fifth of
a second, so it happens inside the functions: a caller with other work to do calls them in a child process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from netlab.errors import MachineError
from netlab.plan.model import Rule

TABLE = "netlab"
_HINT = "run `netlab doctor`"
_NFPROTO_INET = 1
_NF_DROP, _NF_ACCEPT = 0, 1
_VERDICTS: Mapping[str, int] = {"drop": _NF_DROP, "accept": _NF_ACCEPT}
_CMP_EQ, _REGISTER, _META_L4PROTO, _TRANSPORT_HEADER = 0, 1, 16, 2  # linux/netfilter/nf_tables.h
_PROTOCOLS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17}  # IANA's protocol numbers
_TCP_FLAGS: Mapping[str, int] = {
    "fin": 1,
    "syn": 2,
    "rst": 4,
    "psh": 8,
    "ack": 16,
    "urg": 32,
}  # RFC 9293, 3.1
_TCP_FLAGS_OFFSET = 13

# pyroute2 speaks in nested dicts whose keys are the kernel's attributes.
Expression = dict[str, Any]


def apply(rules: Sequence[Rule]) -> None:
    """Put rules in place in the current network namespace, which has none of an earlier call.

    MachineError where the kernel lacks nf_tables or refuses a rule.
    """
    if not rules:
        return
    with _nftables("the firewall") as nft:
        nft.table("create", name=TABLE)
        for chain in dict.fromkeys(rule.chain for rule in rules):
            nft.chain("create", table=TABLE, name=chain, hook=chain, type="filter", policy=_NF_ACCEPT)
        for rule in rules:
            nft.rule(
                "add",
                table=TABLE,
                chain=rule.chain,
                expressions=[_expressions(rule)],
                userdata={"value": rule.name},
            )


def counters() -> dict[str, tuple[int, int]]:
    """Read what each rule has matched so far in the current network namespace: name → (packets, bytes)."""
    with _nftables("the firewall's counters") as nft:
        return dict(_counted(rule) for rule in nft.get_rules() if rule.get_attr("NFTA_RULE_TABLE") == TABLE)


def _counted(rule: Any) -> tuple[str, tuple[int, int]]:  # noqa: ANN401 — pyroute2's messages have no types
    for expression in rule.get_attr("NFTA_RULE_EXPRESSIONS"):
        if expression.get_attr("NFTA_EXPR_NAME") == "counter":
            counter = expression.get_attr("NFTA_EXPR_DATA")
            count = (counter.get_attr("NFTA_COUNTER_PACKETS"), counter.get_attr("NFTA_COUNTER_BYTES"))
            return rule.get_attr("NFTA_RULE_USERDATA"), count
    raise MachineError(f"a rule of table {TABLE} counts nothing", "was it changed by hand?")


@contextmanager
def _nftables(what: str) -> Iterator[Any]:
    """Open pyroute2's nftables socket; the kernel's refusals become sentences."""
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.nftables.main import NFTables

    try:
        nft = NFTables(nfgen_family=_NFPROTO_INET)
    except OSError as error:
        raise _absent(what, error.errno or 0) from error
    try:
        # A question first: where all of nf_tables is refused, pyroute2 would wait for the answer to a change
        # for ever, because the kernel answers the transaction and not the request in it.
        nft.get_tables()
    except NetlinkError as error:
        nft.close()
        raise _absent(what, error.code) from error
    try:
        yield nft
    except NetlinkError as error:
        raise MachineError(f"{what}: the kernel refused it: {os.strerror(error.code)}", _HINT) from error
    finally:
        nft.close()


def _absent(what: str, number: int) -> MachineError:
    if number == errno.EPERM:
        return MachineError(f"{what}: it takes CAP_NET_ADMIN over the network namespace", _HINT)
    return MachineError(f"{what}: this kernel has no nf_tables", "load it: `modprobe nf_tables`")


def _expressions(rule: Rule) -> list[Expression]:
    """Say a rule in the kernel's terms: what it compares, a counter, a verdict."""
    said = [expression for match, value in rule.matches for expression in _MATCHES[match](value)]
    verdict = {"attrs": [("NFTA_VERDICT_CODE", _VERDICTS[rule.verdict])]}
    data = {"attrs": [("NFTA_DATA_VERDICT", verdict)]}
    return [*said, _expression("counter"), _expression("immediate", dreg=0, data=data)]


def _expression(name: str, **attributes: object) -> Expression:
    data = [(f"NFTA_{name}_{key}".upper(), value) for key, value in attributes.items()]
    return {"attrs": [("NFTA_EXPR_NAME", name), ("NFTA_EXPR_DATA", {"attrs": data})]}


def _bytes(value: int) -> Expression:
    return {"attrs": [("NFTA_DATA_VALUE", bytes([value]))]}


def _l4proto(name: str) -> list[Expression]:
    """`meta l4proto tcp`."""
    return [
        _expression("meta", key=_META_L4PROTO, dreg=_REGISTER),
        _expression("cmp", sreg=_REGISTER, op=_CMP_EQ, data=_bytes(_PROTOCOLS[name])),
    ]


def _tcp_flag(name: str) -> list[Expression]:
    """`tcp flags & rst == rst`."""
    flag = _bytes(_TCP_FLAGS[name])
    return [
        _expression("payload", dreg=_REGISTER, base=_TRANSPORT_HEADER, offset=_TCP_FLAGS_OFFSET, len=1),
        _expression("bitwise", sreg=_REGISTER, dreg=_REGISTER, len=1, mask=flag, xor=_bytes(0)),
        _expression("cmp", sreg=_REGISTER, op=_CMP_EQ, data=flag),
    ]


# What a plan's rule may match on, and how the kernel is told.
_MATCHES: Mapping[str, Callable[[str], list[Expression]]] = {
    "protocol": _l4proto,
    "tcp-flag": _tcp_flag,
}
