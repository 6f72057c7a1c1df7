"""What nodes let through and translate: read when all nodes are known, since rules may name any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from netlab.topology import reader
from netlab.topology.faults import Faults, shown
from netlab.topology.firewall import Addresses, firewall, nft
from netlab.topology.model import Network, Node
from netlab.topology.nat import Router, nat
from netlab.topology.reader import Value
from netlab.topology.rules import Filter

KEYS = ("firewall", "nat", "nft")


def with_policies(
    nodes: tuple[Node, ...],
    read: Mapping[str, Mapping[str, Value]],
    networks: Sequence[Network],
    faults: Faults,
) -> tuple[Node, ...]:
    """Return the nodes with their rules; `read` holds each node's fields, by its name."""
    # Where an address has a fault, nobody can tell who has which.
    subnets = [] if faults else [one.subnet for one in networks if one.subnet]
    known_addresses = addresses(nodes)
    by_network = {
        node.name: {one.network: one.address for one in node.interfaces if one.address} for node in nodes
    }
    made = []
    for node in nodes:
        known = read[node.name]
        if any(key in known for key in KEYS):
            router = Router(node.name, _networks(node, known), by_network, subnets)
            # Without interfaces that were understood, what nat says of them cannot be judged.
            translation = nat(known.get("nat"), router, faults) if router.networks else None
            node = replace(  # noqa: PLW2901 — the same node, with more of it known
                node,
                firewall=firewall(known.get("firewall"), known_addresses, faults),
                nat=translation,
                nft=nft(known.get("nft"), faults),
            )
            _check_forwards(node, known, faults)
        made.append(node)
    return tuple(made)


def addresses(nodes: Sequence[Node]) -> Addresses:
    """Return all addresses of each node, by its name."""
    return {
        node.name: tuple(own for one in node.interfaces for own in (one.address, one.address6) if own)
        for node in nodes
    }


def _networks(node: Node, known: Mapping[str, Value]) -> tuple[str, ...]:
    """Return the networks that a node is on, those too where its address has a fault."""
    written = known.get("interfaces")
    if isinstance(written, reader.Mapping):
        return tuple(key.text for key, _ in written.entries)
    return tuple(one.network for one in node.interfaces)


def _check_forwards(node: Node, known: Mapping[str, Value], faults: Faults) -> None:
    """Note what a node that forwards nothing can have no use for; a sysctl of its own may let it forward."""
    if node.router or "sysctls" in known:
        return
    hint = "write router: true beside it"
    if "router" in known:
        said = known["router"]
        if not (isinstance(said, reader.Scalar) and said.kind == "bool"):
            return  # that is its fault
        hint = f"write router: true; here it is {shown(said.text)}"
    if node.nat is not None:
        faults.add(known["nat"].mark, "nat on a node that forwards nothing", hint)
    if any(isinstance(rule, Filter) and rule.chain == "forward" for rule in node.firewall):
        faults.add(known["firewall"].mark, "a rule of chain forward on a node that forwards nothing", hint)
