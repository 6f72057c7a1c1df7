"""A node's rules, each as nft has it and as the kernel is told.

Counterparts: `netlab.topology.vocabulary.FIREWALL_RULES`, which says in a sentence what the named ones do,
and `netlab.topology.rules`, those in the file's own words.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from netlab.plan.model import Rule
from netlab.plan.nat import translation
from netlab.topology.model import Node
from netlab.topology.rules import Filter, Subnet

RULES = {
    "hold-back-rst": Rule(
        name="hold-back-rst",
        why="The kernel knows no connection for a segment that a script asked for, and answers it with RST.",
        chain="output",
        nft="tcp flags & rst == rst counter drop",
        matches=(("protocol", "tcp"), ("tcp-flag", "rst")),
        verdict="drop",
    ),
}

# Hook → what nft calls the base chain there: its type and its priority.
CHAINS = {
    "input": ("filter", "filter"),
    "forward": ("filter", "filter"),
    "output": ("filter", "filter"),
    "prerouting": ("nat", "dstnat"),
    "postrouting": ("nat", "srcnat"),
}

_WHY = "The topology file's own."
# TCP is refused with RST (RFC 9293, 3.5.2), anything else with ICMP (RFC 1122, 3.2.2.1).
_REFUSALS = {"tcp": "tcp-reset"}
_VERSIONS = {"icmp": 4, "icmpv6": 6}
_VERDICTS = {"tcp-reset": "reject with tcp reset"}


def base_chain(hook: str) -> str:
    """Return a base chain in nft's words."""
    kind, priority = CHAINS[hook]
    return f"{{ type {kind} hook {hook} priority {priority}; policy accept; }}"


def rules(node: Node) -> tuple[Rule, ...]:
    """Decide a node's rules, those of its address translation at the end.

    A rule with alternatives (a node with two addresses) becomes several of one name; they count together.
    """
    written = {rule if isinstance(rule, str) else rule.name for rule in node.firewall}
    names = _Names(written)
    made: list[Rule] = []
    for rule in node.firewall:
        if isinstance(rule, str):
            made.append(RULES[rule])
        else:
            made += _rules(rule, rule.name or names.unique(_name(rule)))
    made += (
        _rule(names.unique(step.name), step.why, step.chain, step.matches, step.verdict)
        for step in translation(node)
    )
    return tuple(made)


class _Names:
    """Gives out names that no rule has yet."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)

    def unique(self, name: str) -> str:
        number, whole = 1, name
        while whole in self._taken:
            number += 1
            whole = f"{name}-{number}"
        self._taken.add(whole)
        return whole


def _name(rule: Filter) -> str:
    """Name a rule after what it does: drop-tcp-80."""
    port = rule.port if rule.port is not None else rule.source_port
    chain = None if rule.chain == "input" else rule.chain
    parts = (rule.verdict, chain, rule.protocol, port, *rule.flags, *rule.states)
    return "-".join(str(part) for part in parts if part is not None)


def _rules(rule: Filter, name: str) -> Iterator[Rule]:
    """Say a rule once for each pair of its sources and destinations that are of one IP version."""
    for source, destination in product(rule.source or (None,), rule.destination or (None,)):
        if source and destination and source.version != destination.version:
            continue
        one = source or destination
        if one and one.version != _VERSIONS.get(rule.protocol or "", one.version):
            continue
        verdict = rule.verdict
        if verdict == "reject":
            verdict = _REFUSALS.get(rule.protocol or "", "reject")
        matches = tuple(_matches(rule, source, destination))
        yield _rule(name, _WHY, rule.chain, matches, verdict)


def _matches(rule: Filter, source: Subnet | None, destination: Subnet | None) -> Iterator[tuple[str, str]]:
    one = source or destination
    if one:
        yield "family", f"ipv{one.version}"
    # What every address matches is no match to the kernel.
    if source and source.prefixlen:
        yield "source", str(source)
    if destination and destination.prefixlen:
        yield "destination", str(destination)
    if rule.states:
        yield "state", ",".join(rule.states)
    if rule.protocol:
        yield "protocol", rule.protocol
    if rule.source_port:
        yield "source-port", str(rule.source_port)
    if rule.port:
        yield "port", str(rule.port)
    for flag in rule.flags:
        yield "tcp-flag", flag


def _rule(name: str, why: str, chain: str, matches: tuple[tuple[str, str], ...], verdict: str) -> Rule:
    return Rule(name, why, chain, _nft(matches, verdict), matches, verdict)


def _nft(matches: tuple[tuple[str, str], ...], verdict: str) -> str:
    """Say matches and a verdict in nft's words, which imply the family and the protocol where they can."""
    kinds = {kind for kind, _ in matches}
    of = dict(matches)
    family = "ip6" if of.get("family") == "ipv6" else "ip"
    protocol = of.get("protocol", "")
    implied = {"family"} if kinds & {"source", "destination"} else set()
    implied |= {"protocol"} if kinds & {"source-port", "port", "tcp-flag"} else set()
    words = {
        "in": 'iifname "{}"',
        "out": 'oifname "{}"',
        "family": "meta nfproto {}",
        "source": f"{family} saddr {{}}",
        "destination": f"{family} daddr {{}}",
        "state": "ct state {}",
        "protocol": "meta l4proto {}",
        "source-port": f"{protocol} sport {{}}",
        "port": f"{protocol} dport {{}}",
        "tcp-flag": "tcp flags & {0} == {0}",
    }
    said = [words[kind].format(_plain(value)) for kind, value in matches if kind not in implied]
    return " ".join([*said, "counter", _VERDICTS.get(verdict, verdict)])


def _plain(value: str) -> str:
    """Return an address without the prefix that means it alone, and ICMPv6 under the name that nft has."""
    host = value.removesuffix("/128" if ":" in value else "/32")
    return "ipv6-icmp" if host == "icmpv6" else host
