"""A plan for the eye (`text`) and for a program (`data`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from netlab.plan.model import Plan, PlannedNode, Rule
from netlab.topology.model import DnsService, Service, Zone
from netlab.topology.vocabulary import DEFAULT_BACKEND


def text(plan: Plan) -> str:
    """Return what will exist, in aligned columns, with a final newline."""
    backend = "" if plan.backend == DEFAULT_BACKEND else f", backend {plan.backend}"
    parts = [f"Lab {plan.name}: {_count(len(plan.nodes), 'node')}, seed {plan.seed}{backend}.", ""]
    rows = [("node", "interface", "address", "MAC", "switch", "its port")]
    rows += [(p.node, p.interface, str(p.address), p.mac, p.switch, p.port) for p in plan.ports]
    parts += _aligned(rows)
    for node in plan.nodes:
        parts += _node(node)
    return "\n".join(parts) + "\n"


def _node(node: PlannedNode) -> Iterable[str]:
    """Yield what is special about a node, if anything is."""
    rows = [("service", service.kind, _service(service)) for service in node.services]
    rows += [("rule", rule.name, f"{rule.chain}: {rule.nft}") for rule in node.rules]
    if rows or node.image:
        yield ""
        yield node.name
    if node.image:
        yield f"  image  {node.image}"  # apart: a long one would push the columns away
    if rows:
        yield from ("  " + line for line in _aligned(rows))


def _service(service: Service) -> str:
    if isinstance(service, DnsService):
        zones = (f"{zone.origin} ({_count(len(zone.records), 'record')})" for zone in service.zones)
        return f"{service.engine}, port 53, serves {', '.join(zones)}"
    return f"{service.engine}, port {service.port}, serves {service.content}"


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
        "switches": [
            {"name": switch.name, "bridge": switch.bridge, "mac": switch.mac} for switch in plan.switches
        ],
        "nodes": [_node_data(node) for node in plan.nodes],
    }


def _node_data(node: PlannedNode) -> dict[str, Any]:
    return {
        "name": node.name,
        "image": node.image,
        "ports": [
            {
                "interface": port.interface,
                "mac": port.mac,
                "address": str(port.address),
                "switch": port.switch,
                "port": port.port,
                "port_mac": port.port_mac,
            }
            for port in node.ports
        ],
        "files": dict(node.files),
        "sysctls": dict(node.sysctls),
        "rules": [_rule_data(rule) for rule in node.rules],
        "services": [_service_data(service) for service in node.services],
    }


def _rule_data(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "why": rule.why,
        "chain": rule.chain,
        "nft": rule.nft,
        "matches": [list(match) for match in rule.matches],
        "verdict": rule.verdict,
    }


def _service_data(service: Service) -> dict[str, Any]:
    common = {"kind": service.kind, "engine": service.engine}
    if isinstance(service, DnsService):
        return common | {"zones": [_zone_data(zone) for zone in service.zones]}
    return common | {"content": str(service.content), "port": service.port}


def _zone_data(zone: Zone) -> dict[str, Any]:
    records = [{"owner": record.owner, "type": record.type, "rdata": record.rdata} for record in zone.records]
    return {"origin": zone.origin, "records": records}
