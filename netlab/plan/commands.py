"""The commands that would build a plan by hand, for learning: what netlab says to the kernel itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from netlab.plan import cables, provisions, segments
from netlab.plan.model import Plan, PlannedNode, Port, Switch
from netlab.plan.rules import base_chain
from netlab.plan.sysctls import SWITCHES
from netlab.topology.model import ExecService


def commands(plan: Plan) -> list[str]:
    """Return lines for a root shell, comments between them; a here-document is one of several lines."""
    fabric = _fabric_name(plan)
    bridges = {switch.name: switch.bridge for switch in plan.switches}
    lines = [
        f"# The lab {plan.name} by hand, as root. netlab needs neither root nor these programs:",
        "# it says the same to the kernel over netlink, inside namespaces of its own.",
        "",
        "# The fabric is the namespace in which the switches stand. Each switch is a bridge,",
        "# which sends multicast to every port, as a cheap one does; it is silent in IPv6.",
        f"ip netns add {fabric}",
        f"ip netns exec {fabric} sysctl -w net.ipv6.conf.default.addr_gen_mode=1",
        f"ip netns exec {fabric} sysctl -e -w "
        + " ".join(f"{key.removeprefix('-')}={value}" for key, value in SWITCHES),
    ]
    for switch in plan.switches:
        lines += _switch(switch, fabric)
    for node in plan.nodes:
        lines += _node(node, plan.nodes[0], fabric, bridges)
    lines += ["", "# To try it:", f"#   ip netns exec {plan.nodes[0].name} ip address"]
    lines += ["# To undo it:"]
    names = [node.name for node in plan.nodes]
    lines += [f"#   ip netns del {name}" for name in [*names, fabric]]
    lines += [f"#   rm -r /etc/netns/{name}" for name in names]
    return lines


def _fabric_name(plan: Plan) -> str:
    """Name the fabric's namespace so that no node has that name: theirs have no dot."""
    return "fabric." if any(node.name == "fabric" for node in plan.nodes) else "fabric"


def _switch(switch: Switch, fabric: str) -> Iterator[str]:
    hub = "" if switch.kind == "switch" else " ageing_time 0"
    made = f"ip -n {fabric} link add name {switch.bridge} address {switch.mac}"
    yield f"{made} type bridge mcast_snooping 0{hub}"
    yield f"ip -n {fabric} link set dev {switch.bridge} up"


def _node(node: PlannedNode, first: PlannedNode, fabric: str, bridges: dict[str, str]) -> Iterator[str]:
    """Yield a node's lines; the first node's explain themselves."""
    yield ""
    yield f"# {node.name}: a host is a network namespace."
    yield f"ip netns add {node.name}"
    yield f"ip -n {node.name} link set dev lo up"
    for port in node.ports:
        yield from _port(port, node.sysctls, (fabric, bridges[port.switch]), explain=port is first.ports[0])
    yield from segments.route_commands(node)
    if node is first:
        yield "# What the host has tuned, and timers that fire when the machine is slow, would alter a trace"
        yield "# (-e passes over what an older kernel does not have)."
    if node.sysctls:
        words = (shlex.quote(f"{key.removeprefix('-')}={value}") for key, value in node.sysctls)
        yield f"ip netns exec {node.name} sysctl -e -w {' '.join(words)}"
    yield from _rules(node)
    yield from _raw_rules(node)
    yield from _files(node, first)
    yield from provisions.file_commands(node)
    for service in node.services:
        if isinstance(service, ExecService):
            yield from provisions.exec_commands(node, service)
            continue
        yield f"# Here netlab starts the {service.kind} service ({service.engine}) in {node.name}."
    yield from provisions.start_commands(node)


def _port(
    port: Port, sysctls: tuple[tuple[str, str], ...], switch: tuple[str, str], *, explain: bool
) -> Iterator[str]:
    """Yield the lines of a port; `switch` is its fabric and its bridge there."""
    node, interface, (fabric, bridge) = port.node, port.interface, switch
    if explain:
        yield "# Its cable is a veth pair: one end in the node, the other a port of the switch."
    yield (
        f"ip -n {fabric} link add name {port.port} address {port.port_mac} "
        f"type veth peer name {interface} address {port.mac} netns {node}"
    )
    yield from segments.mtu_commands(port, fabric)
    yield f"ip -n {fabric} link set dev {port.port} master {bridge} up"
    if explain:
        yield "# The sender fills in checksums itself, so that a capture shows true ones; it hands down TCP's"
        silent = "." if port.address6 else "; and it is silent in IPv6."
        yield f"# segments one at a time, not in bursts that depend on the moment{silent}"
    yield f"ip netns exec {node} ethtool -K {interface} tx off"
    yield f"ip -n {node} link set dev {interface} gso_max_segs 1"
    yield from cables.commands(port, fabric)
    yield from segments.ipv6_commands(port, sysctls, explain=explain)
    yield from segments.address_commands(port)
    if not port.up:
        yield f"# Here {interface} of {node} stays down."
        return
    yield f"ip -n {node} link set dev {interface} up"
    if explain:
        yield "# The address alone would bring this route; by hand it gets RFC 6298's minimum of one"
        yield "# second before TCP sends again (Linux takes 0.2 s), which a slow script does not provoke."
    yield from segments.connected_commands(port)


def _rules(node: PlannedNode) -> Iterator[str]:
    if not node.rules:
        return
    nft = f"ip netns exec {node.name} nft"
    yield f"{nft} add table inet netlab"
    for chain in dict.fromkeys(rule.chain for rule in node.rules):
        yield f"{nft} 'add chain inet netlab {chain} {base_chain(chain)}'"
    for rule in node.rules:
        yield f"# {rule.name}: {rule.why}"
        yield f"{nft} 'add rule inet netlab {rule.chain} {rule.nft}'"


def _raw_rules(node: PlannedNode) -> Iterator[str]:
    """Yield what the file says in nft's own language, as a here-document."""
    if node.nft is not None:
        yield f"ip netns exec {node.name} nft -f - <<'END'\n{node.nft.text}END"


def _files(node: PlannedNode, first: PlannedNode) -> Iterator[str]:
    """Yield the files that `ip netns exec` shows in place of the machine's own."""
    if node is first:
        yield "# `ip netns exec` shows the files of /etc/netns/NAME in place of those of /etc."
    yield f"mkdir -p /etc/netns/{node.name}"
    for path, content in node.files:
        name = path.removeprefix("/etc/")
        if name == "hostname":
            continue  # the kernel keeps it, in a UTS namespace, which `ip netns` does not make
        if node is not first and (path, content) in first.files:
            yield f"cp /etc/netns/{first.name}/{name} /etc/netns/{node.name}/"
        else:
            yield f"cat > /etc/netns/{node.name}/{name} <<'END'\n{content}END"
