"""A plan for the eye (`text`) and for a program (`data`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from netlab.plan import cables, provisions, segments, serving
from netlab.plan.model import Plan, PlannedNode, Rule
from netlab.topology.recordings import Capture
from netlab.topology.vocabulary import DEFAULT_BACKEND


def text(plan: Plan) -> str:
    """Return what will exist, in aligned columns, with a final newline."""
    backend = "" if plan.backend == DEFAULT_BACKEND else f", backend {plan.backend}"
    limit = f", commands end after {plan.time_limit} s" if plan.time_limit is not None else ""
    parts = [f"Lab {plan.name}: {_count(len(plan.nodes), 'node')}, seed {plan.seed}{backend}{limit}.", ""]
    parts += _aligned(segments.port_rows(plan))
    if kinds := segments.network_rows(plan):
        parts += ["", *_aligned(kinds)]
    if plan.captures:
        parts += ["", *_aligned([("capture", one.file, *_capture(one)) for one in plan.captures])]
    for node in plan.nodes:
        parts += _node(node)
    return "\n".join(parts) + "\n"


def _node(node: PlannedNode) -> Iterable[str]:
    """Yield what is special about a node, if anything is."""
    rows = cables.rows(node) + segments.route_rows(node)
    rows += [("service", *serving.row(service)) for service in node.services]
    rows += [("rule", rule.name, f"{rule.chain}: {rule.nft}") for rule in node.rules]
    rows += [("nft", "", _count(node.nft.text.count("\n"), "line"))] if node.nft else []
    rows += provisions.rows(node)
    if rows or node.image:
        yield ""
        yield node.name
    if node.image:
        yield f"  image  {node.image}"  # apart: a long one would push the columns away
    if rows:
        yield from ("  " + line for line in _aligned(rows))


def _capture(capture: Capture) -> tuple[str, str]:
    """Say what a recording is to have: where, and which packets."""
    selection = capture.selection
    hosts = " or ".join(map(str, selection.hosts))
    port = f"port {selection.port}" if selection.port is not None else ""
    words = [word for word in (selection.protocol, hosts, port) if word] or ["all packets"]
    snap = [f"their first {capture.snap} bytes"] if capture.snap is not None else []
    return ", ".join(capture.networks) or "all networks", ", ".join([*words, *snap])


def _capture_data(capture: Capture) -> dict[str, Any]:
    selection = capture.selection
    return {
        "name": capture.name,
        "networks": list(capture.networks),
        "filter": {
            "protocol": selection.protocol,
            "hosts": list(map(str, selection.hosts)),
            "port": selection.port,
        },
        "snap": capture.snap,
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Pad every column but the last to its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def data(plan: Plan) -> dict[str, Any]:
    """Return the whole plan as JSON has it: names, numbers and texts only."""
    return {
        "name": plan.name,
        "seed": plan.seed,
        "backend": plan.backend,
        **({} if plan.time_limit is None else {"time_limit": plan.time_limit}),
        "switches": [
            {"name": switch.name, "kind": switch.kind, "bridge": switch.bridge, "mac": switch.mac}
            for switch in plan.switches
        ],
        "nodes": [_node_data(node) for node in plan.nodes],
    } | ({"captures": [_capture_data(one) for one in plan.captures]} if plan.captures else {})


def _node_data(node: PlannedNode) -> dict[str, Any]:
    return {
        "name": node.name,
        "image": node.image,
        "ports": [
            {
                "interface": port.interface,
                "mac": port.mac,
                "address": str(port.address) if port.address else None,
                "switch": port.switch,
                "port": port.port,
                "port_mac": port.port_mac,
                "address6": str(port.address6) if port.address6 else None,
                "mtu": port.mtu,
                "up": port.up,
            }
            | ({"wire": cables.data(port.wire, port.node)} if port.wire else {})
            for port in node.ports
        ],
        "router": node.router,
        "routes": [
            {"destination": str(one.destination), "gateway": str(one.gateway), "interface": one.interface}
            for one in node.routes
        ],
        "files": dict(node.files),
        "sysctls": dict(node.sysctls),
        "rules": [_rule_data(rule) for rule in node.rules],
        "services": [serving.data(service) for service in node.services],
        **provisions.data(node),
    } | ({"nft": node.nft.text} if node.nft else {})


def _rule_data(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "why": rule.why,
        "chain": rule.chain,
        "nft": rule.nft,
        "matches": [list(match) for match in rule.matches],
        "verdict": rule.verdict,
    }
