"""Building a lab from its plan: the nodes, wired and with their rules.

What is built here, `supervisor` keeps.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from netlab.backends.inside.nodes import NodeSpace
from netlab.backends.inside.serving import log_of
from netlab.errors import Fault, InputError
from netlab.kernel import nft, nft_swap
from netlab.kernel.firewall import apply
from netlab.kernel.namespace import entered
from netlab.plan.model import Plan, PlannedNode
from netlab.plan.provisions import log_name
from netlab.wiring import make_namespaces, wire


def make_nodes(plan: Plan) -> dict[str, NodeSpace]:
    """Make the nodes, by name; this process's own network becomes the fabric that joins them."""
    if any(node.nft is not None for node in plan.nodes):
        nft.program()  # where there is none, nothing is started
    namespaces = make_namespaces(plan)
    fabric = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    wire(plan, fabric, namespaces)
    os.close(fabric)
    nodes = {node.name: NodeSpace(node, namespaces[node.name]) for node in plan.nodes}
    apply_rules(nodes.values())
    return nodes


def apply_rules(nodes: Iterable[NodeSpace]) -> None:
    """Give each node its rules: netlab's own, then those that nft is to read.

    Raises InputError with what nft refuses, of all nodes.
    """
    refused: list[Fault] = []
    for node in nodes:
        if node.plan.rules:
            with entered(node.network):
                apply(node.plan.rules)
        if node.plan.nft is not None:
            try:
                with entered(node.network):
                    node.nft = nft_swap.put(node.plan.nft, node.plan.name)
            except InputError as error:
                refused += error.faults
    if refused:
        raise InputError(refused)


def logs_of(logs: Path, node: PlannedNode) -> list[Path]:
    """Return the paths of a node's logs: of its services, then of its start-up commands."""
    started = range(1, len(node.provisions.start) + 1)
    return [
        *(log_of(logs, node, service) for service in node.services),
        *(logs / log_name(node.name, number) for number in started),
    ]
