"""Whose certificates the nodes of a lab believe: the world's authorities, and those that are made in it.

All nodes share one file of them; what programs read by themselves is covered by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from netlab.backends.inside import errands
from netlab.backends.inside.authorities import PLACES, STORE
from netlab.backends.inside.nodes import NodeSpace
from netlab.plan.model import PlannedNode

# OpenSSL (and what does as it does), curl, and Python's requests, which has a collection of its own.
_VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


def variables(node: PlannedNode) -> dict[str, str]:
    """Return what tells programs where the node's authorities are, where it has any of the lab's."""
    return dict.fromkeys(_VARIABLES, str(STORE)) if node.trusts else {}


def prepare(nodes: Iterable[PlannedNode]) -> None:
    """Make the file that the nodes share, with the machine's authorities, before any node is used."""
    if any(node.trusts for node in nodes):
        found = next((Path(place) for place in PLACES if Path(place).is_file()), None)
        STORE.parent.mkdir(parents=True, exist_ok=True)
        STORE.write_bytes(found.read_bytes() if found is not None else b"")


def believe(nodes: Mapping[str, NodeSpace], authorities: Mapping[str, str]) -> None:
    """Let all nodes believe the authorities that nodes have made; `authorities` is node → path there."""
    found = [errands.read(nodes[name], path) for name, path in authorities.items()]
    believed = STORE.read_bytes() if found else b""
    made = b"".join(one for one in found if one not in believed)
    if not made:
        return
    with STORE.open("ab") as file:
        file.write(made)
    for node in nodes.values():
        if node.programs is not None:  # a container has files of its own
            errands.write(node, [(str(STORE), STORE.read_text())])
            errands.append(node, PLACES, made)
