"""Address translation as rules: which interface, which address, which way."""

from __future__ import annotations

from pathlib import Path

from netlab.plan import make_plan
from netlab.plan.model import Rule
from netlab.topology import parse

FILE = """
networks: {inside: 10.0.0.0/24, out1: 192.0.2.0/24, out2: 198.51.100.0/24}
nodes:
  web: {interfaces: {inside: 10.0.0.80}}
  far: {interfaces: {out1: , out2: }}
  router:
    interfaces: {inside: 10.0.0.1, out1: 192.0.2.1, out2: 198.51.100.1}
    router: true
    nat: NAT
    firewall: [FIREWALL]
"""


def rules(nat: str, firewall: str = "") -> tuple[Rule, ...]:
    """Return the router's rules."""
    text = FILE.replace("NAT", nat).replace("FIREWALL", firewall)
    topology = parse(text, file="lab.yaml", directory=Path("/nowhere"))
    return make_plan(topology).node("router").rules


def test_masquerade_is_by_interface() -> None:
    """Each outer network has its own rule; nothing is said of the inner one."""
    assert [(rule.chain, rule.nft) for rule in rules("{masquerade: [out1, out2]}")] == [
        ("postrouting", 'oifname "eth1" meta nfproto ipv4 counter masquerade'),
        ("postrouting", 'oifname "eth2" meta nfproto ipv4 counter masquerade'),
    ]


def test_a_forward_is_for_the_routers_own_outer_address() -> None:
    """What comes in from outside for another address on that port goes its own way."""
    first, *_ = rules("{masquerade: out1, forward: {udp/53: 'web:5353'}}")
    assert first.nft == 'iifname "eth1" ip daddr 192.0.2.1 udp dport 53 counter dnat ip to 10.0.0.80:5353'


def test_every_target_means_the_same() -> None:
    """A node, an address, with or without the same port: one rule."""
    targets = ("web", "web:80", "10.0.0.80", "10.0.0.80:80")
    made = {rules(f"{{masquerade: out1, forward: {{80: '{target}'}}}}") for target in targets}
    made |= {rules("{masquerade: out1, forward: {tcp/80: web}}")}
    assert len(made) == 1


def test_names_are_unique() -> None:
    """Rules of two outer networks, or of the file's own words, do not share a counter."""
    found = rules(
        "{masquerade: [out1, out2], forward: {80: web}}",
        "{name: masquerade-out1, verdict: drop}, {verdict: drop}, {verdict: drop}",
    )
    assert [rule.name for rule in found] == [
        "masquerade-out1",
        "drop",
        "drop-2",
        "forward-tcp-80",
        "forward-tcp-80-2",
        "masquerade-out1-2",
        "masquerade-out2",
    ]
