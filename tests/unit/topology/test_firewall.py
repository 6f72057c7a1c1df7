"""Rules in words and for nft: what a file means by them; what it must not say is in test_faults.py."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import InputError, Place
from netlab.kernel.expressions import expressions
from netlab.plan import make_plan
from netlab.topology import parse
from netlab.topology.model import Node
from netlab.topology.rules import CHAINS, FLAGS, PROTOCOLS, STATES, VERDICTS, Filter


def node(text: str, name: str = "a") -> Node:
    """Read a file and return one of its nodes."""
    return parse(text, file="lab.yaml", directory=Path("/nowhere")).node(name)


def firewall(rules: str) -> tuple[str | Filter, ...]:
    """Read the firewall of a node that forwards."""
    return node(f"nodes: {{a: {{router: true, firewall: [{rules}]}}, b: }}").firewall


def test_defaults() -> None:
    """A verdict alone is a whole rule: all that comes in."""
    assert firewall("{verdict: drop}") == (Filter("drop"),)
    assert Filter("drop").chain == "input"


def test_flags_imply_tcp() -> None:
    """Only TCP has flags; one may stand without brackets."""
    assert firewall("{flags: syn, verdict: drop}") == firewall("{protocol: tcp, flags: [syn], verdict: drop}")


def test_one_of_several_states() -> None:
    """A packet of any of them fits; one may stand without brackets, and a name tells them all."""
    assert firewall("{state: new, verdict: drop}") == firewall("{state: [new, new], verdict: drop}")
    text = "nodes: {a: {firewall: [{state: [established, related], verdict: accept}]}, b: }"
    (rule,) = make_plan(parse(text, file="lab.yaml", directory=Path("/nowhere"))).node("a").rules
    assert (rule.name, rule.nft) == (
        "accept-established-related",
        "ct state established,related counter accept",
    )


def test_a_node_stands_for_its_addresses() -> None:
    """A node's name means every address that it has, wherever it stands in the file."""
    text = """
networks: {one: 10.0.0.0/24, two: 10.1.0.0/24}
nodes:
  a: {interfaces: {one: }, firewall: [{from: b, verdict: drop}]}
  b: {interfaces: {one: 10.0.0.9, two: 10.1.0.9}}
  c: {interfaces: {two: }}
"""
    (rule,) = node(text).firewall
    assert isinstance(rule, Filter)
    assert rule.source == (ip_network("10.0.0.9"), ip_network("10.1.0.9"))
    planned = make_plan(parse(text, file="lab.yaml", directory=Path("/nowhere"))).node("a").rules
    assert [(one.name, one.nft) for one in planned] == [
        ("drop", "ip saddr 10.0.0.9 counter drop"),
        ("drop", "ip saddr 10.1.0.9 counter drop"),
    ]


def test_raw_rules_know_their_lines() -> None:
    """The lines of a block are the file's, so that nft's are found again; a quoted text is one place."""
    block = node("nodes:\n  a:\n    nft: |\n        table inet x\n").nft
    assert block is not None
    assert (block.text, block.place, block.indent) == ("table inet x\n", Place("lab.yaml", 4, 9), 8)
    quoted = node('nodes: {a: {nft: "table inet x"}}').nft
    assert quoted is not None
    assert (quoted, quoted.place, quoted.indent) == (block, Place("lab.yaml", 1, 18), None)


PEERS = st.sampled_from(["b", "10.0.0.0/8", "10.0.0.7", "0.0.0.0/0", "fd00::/8", "fd00::7", "::/0"])
RULES = st.fixed_dictionaries(
    {"verdict": st.sampled_from(VERDICTS)},
    optional={
        "chain": st.sampled_from(CHAINS),
        "protocol": st.sampled_from(PROTOCOLS),
        "from": PEERS,
        "to": PEERS,
        "port": st.integers(1, 65535),
        "source-port": st.integers(1, 65535),
        "flags": st.lists(st.sampled_from(FLAGS), min_size=1),
        "state": st.sampled_from(STATES) | st.lists(st.sampled_from(STATES), min_size=1),
    },
)


@given(st.lists(RULES, max_size=4))
def test_what_is_understood_can_be_told_to_the_kernel(rules: list[dict[str, object]]) -> None:
    """Any rule is a fault of its own line, or a plan's rule with a verdict that the kernel can be told."""
    text = f'{{"nodes": {{"a": {{"router": true, "firewall": {json.dumps(rules)}}}, "b": null}}}}'
    try:
        topology = parse(text, file="lab.yaml", directory=Path("/nowhere"))
    except InputError as error:
        told = error
    else:
        told = None
    if told is not None:
        assert 1 <= len(told.faults) <= 2 * len(rules)
        return
    planned = make_plan(topology).node("a").rules
    assert len({rule.name for rule in planned}) == len(rules)
    for rule in planned:
        assert expressions(rule)
        assert " counter " in f" {rule.nft}"
