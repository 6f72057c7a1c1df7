"""A plan drawn: networks, nodes, addresses, services and rules, as text, Mermaid or DOT.

The picture, SVG, is `netlab.report.picture`'s; what stands in the boxes is decided here for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netlab.plan.model import Plan, PlannedNode, Port, Switch
from netlab.topology.model import DnsService, ExecService, Service


@dataclass(frozen=True, slots=True)
class Network:
    """A network as drawn: its subnets and its kind, and who is on it."""

    name: str
    facts: tuple[str, ...]
    ports: tuple[Port, ...]


def networks(plan: Plan) -> list[Network]:
    """Return the networks in the order of the file; those without nodes too."""
    ports: dict[str, list[Port]] = {switch.name: [] for switch in plan.switches}
    for port in plan.ports:
        ports[port.switch].append(port)
    return [
        Network(switch.name, _network_facts(switch, ports[switch.name]), tuple(ports[switch.name]))
        for switch in plan.switches
    ]


def _network_facts(switch: Switch, ports: list[Port]) -> tuple[str, ...]:
    subnets = dict.fromkeys(str(own.network) for port in ports for own in port.addresses)
    return (*subnets, switch.kind)


def facts(node: PlannedNode) -> list[str]:
    """Return what is special about a node: its role, its services, its rules, its image."""
    found = ["router"] if node.router else []
    found += [_service(service) for service in node.services]
    found += [f"rule {name}" for name in dict.fromkeys(rule.name for rule in node.rules)]
    found += ["rules for nft"] if node.nft else []
    found += [f"image {node.image}"] if node.image else []
    return found


def _service(service: Service) -> str:
    if isinstance(service, ExecService):
        return service.called
    words = service.kind if service.engine == "builtin" else f"{service.kind} ({service.engine})"
    if isinstance(service, DnsService):
        return " ".join([words, *(zone.origin for zone in service.zones)])
    return f"{words} port {service.port}"


def interface(port: Port) -> str:
    """Return an interface, its addresses and what is special about it: eth0 10.0.0.10 down wire."""
    down = () if port.up else ("down",)
    wire = () if port.wire is None else ("wire",)
    return " ".join([port.interface, *(str(own.ip) for own in port.addresses), *down, *wire])


# -- text ------------------------------------------------------------------------------------------


def text(plan: Plan) -> str:
    """Draw a tree: each network with its nodes; one that is on several is told whole where it comes first."""
    lines = [plan.name]
    drawn: set[str] = set()
    for network in networks(plan):
        lines += ["", "  ".join([network.name, *network.facts])]
        last = len(network.ports) - 1
        for number, port in enumerate(network.ports):
            fork, stem = ("└── ", "    ") if number == last else ("├── ", "│   ")
            lines.append(f"{fork}{port.node}  {interface(port)}")
            if port.node not in drawn:
                lines += (f"{stem}    {fact}" for fact in facts(plan.node(port.node)))
            drawn.add(port.node)
    return "\n".join(lines) + "\n"


# -- Mermaid ---------------------------------------------------------------------------------------


def mermaid(plan: Plan) -> str:
    """Draw a flowchart of Mermaid's: nodes are boxes, networks rounded, links carry the addresses."""
    return "\n".join(["flowchart TB", *("    " + line for line in _mermaid(plan))]) + "\n"


def _mermaid(plan: Plan) -> Iterator[str]:
    nodes = _identifiers("node", [node.name for node in plan.nodes])
    switches = _identifiers("net", [switch.name for switch in plan.switches])
    for network in networks(plan):
        yield f'{switches[network.name]}(["{_lines_of_mermaid(network.name, network.facts)}"])'
    for node in plan.nodes:
        yield f'{nodes[node.name]}["{_lines_of_mermaid(node.name, facts(node))}"]'
    for port in plan.ports:
        yield f'{switches[port.switch]} ---|"{_mermaid_text(interface(port))}"| {nodes[port.node]}'


def _lines_of_mermaid(name: str, details: tuple[str, ...] | list[str]) -> str:
    return "<br/>".join([f"<b>{_mermaid_text(name)}</b>", *map(_mermaid_text, details)])


def _mermaid_text(word: str) -> str:
    """Escape what would end a quoted text, or be read as markup or as a character's number."""
    return "".join(f"#{ord(char)};" if char in '#&<>"' else char for char in word)


# -- DOT -------------------------------------------------------------------------------------------


def dot(plan: Plan) -> str:
    """Draw an undirected graph in Graphviz's language."""
    return "\n".join([f"graph {_quoted(plan.name)} {{", *("  " + line for line in _dot(plan)), "}"]) + "\n"


def _dot(plan: Plan) -> Iterator[str]:
    nodes = _identifiers("node", [node.name for node in plan.nodes])
    switches = _identifiers("net", [switch.name for switch in plan.switches])
    yield 'graph [overlap=false, splines=true, bgcolor="transparent"];'
    yield 'node [fontname="sans-serif", fontsize=11, style=filled, fillcolor="#eef1f5", color="#7a8699"];'
    yield 'edge [fontname="sans-serif", fontsize=9, color="#7a8699", fontcolor="#7a8699"];'
    for network in networks(plan):
        label = "\n".join([network.name, *network.facts])
        yield f'{switches[network.name]} [shape=ellipse, fillcolor="#cfe0f5", label={_quoted(label)}];'
    for node in plan.nodes:
        yield f"{nodes[node.name]} [shape=box, label={_quoted(chr(10).join([node.name, *facts(node)]))}];"
    for port in plan.ports:
        yield f"{switches[port.switch]} -- {nodes[port.node]} [label={_quoted(interface(port))}];"


def _quoted(word: str) -> str:
    """Quote a text; a backslash would begin one of Graphviz's escapes."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _identifiers(kind: str, names: list[str]) -> Mapping[str, str]:
    """Return a number for each name: some would be keywords of these languages, as `end` or `node`."""
    return {name: f"{kind}{number}" for number, name in enumerate(names)}
