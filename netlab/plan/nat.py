"""A router's address translation as steps of its packets' way; traditional NAT of RFC 3022.

Counterpart: `netlab.topology.nat`, what was asked for. `netlab.plan.rules` makes rules of the steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netlab.topology.model import Node


@dataclass(frozen=True, slots=True)
class Step:
    """A rule of translation, as `netlab.plan.model.Rule` has it; `name` may be taken."""

    name: str
    why: str
    chain: str
    matches: tuple[tuple[str, str], ...]
    verdict: str


def translation(node: Node) -> Iterator[Step]:
    """Yield a node's steps: first what comes in on forwarded ports, then what leaves.

    The kernel asks these chains about the first packet of a connection only: they count connections.
    """
    if node.nat is None:
        return
    outside = [one for one in node.interfaces if one.network in node.nat.masquerade and one.address]
    for forward in node.nat.forward:
        for one in outside:
            yield Step(
                name=f"forward-{forward.protocol}-{forward.port}",
                why="A host inside answers for this port of the router's (a static mapping, RFC 3022, 4.1).",
                chain="prerouting",
                matches=(
                    ("in", one.name),
                    ("family", "ipv4"),
                    ("destination", f"{one.address}/32"),
                    ("protocol", forward.protocol),
                    ("port", str(forward.port)),
                ),
                verdict=f"dnat ip to {forward.address}:{forward.to_port}",
            )
    for one in outside:
        yield Step(
            name=f"masquerade-{one.network}",
            why="What leaves here is seen with the router's own address (NAPT, RFC 3022, 2.2).",
            chain="postrouting",
            matches=(("out", one.name), ("family", "ipv4")),
            verdict="masquerade",
        )
