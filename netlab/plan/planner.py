"""A topology to a plan."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface

from netlab.errors import Fault, InputError, Place, UsageError
from netlab.plan.model import Plan, PlannedNode, Port, Switch
from netlab.plan.names import InterfaceNames, Macs, wire_seed
from netlab.plan.provisions import provided
from netlab.plan.routes import routes
from netlab.plan.rules import rules as rules_of
from netlab.plan.serving import has_https, planned
from netlab.plan.sysctls import sysctls
from netlab.plan.ways import Ways
from netlab.topology.model import Interface, Network, Node, Topology
from netlab.topology.vocabulary import BACKENDS, BACKENDS_WITH_IMAGES
from netlab.topology.wires import Wire


def plan(topology: Topology, seed: int, backend: str) -> Plan:
    """Decide every name, number, file and rule of the lab."""
    _check_backend(topology, backend)
    by_hand = (one.mac for node in topology.nodes for one in node.interfaces if one.mac)
    names, macs = InterfaceNames(), Macs(seed, by_hand)
    switches = tuple(
        Switch(one.name, names.bridge(one.name), macs.of(f"switch/{one.name}"), one.kind)
        for one in topology.networks
    )
    networks = {network.name: network for network in topology.networks}
    hosts, ways, leading, trusts = _hosts(topology), routes(topology), Ways(topology), has_https(topology)
    nodes = []
    for node in topology.nodes:
        ports = tuple(
            Port(
                node=node.name,
                interface=interface.name,
                mac=interface.mac or macs.of(f"node/{node.name}/{interface.name}"),
                address=_address(interface, networks[interface.network]),
                switch=interface.network,
                port=names.port(node.name, index),
                port_mac=macs.of(f"port/{node.name}/{interface.name}"),
                address6=_address6(interface, networks[interface.network]),
                mtu=networks[interface.network].mtu,
                up=interface.up,
                wire=_wire(interface, node.name, seed),
            )
            for index, interface in enumerate(node.interfaces)
        )
        files = (
            ("/etc/hostname", node.name + "\n"),
            ("/etc/hosts", hosts),
            ("/etc/resolv.conf", _resolv_conf(topology, node, leading)),
        )
        rules = rules_of(node)
        parameters = sysctls(
            [port.interface for port in ports],
            ipv6=[port.interface for port in ports if port.address6],
            router=node.router,
        )
        made = PlannedNode(
            name=node.name,
            ports=ports,
            files=files,
            sysctls=parameters,
            rules=rules,
            services=planned(node, topology, leading),
            trusts=trusts,
            image=node.image,
            nft=node.nft,
            router=node.router,
            routes=ways[node.name],
        )
        nodes.append(provided(made, node))
    limit, captures = topology.time_limit, topology.captures
    return Plan(topology.name, seed, switches, tuple(nodes), backend, limit, captures)


def _address(interface: Interface, network: Network) -> IPv4Interface | None:
    if interface.address is None or network.subnet is None:
        return None
    return IPv4Interface((interface.address, network.subnet.prefixlen))


def _address6(interface: Interface, network: Network) -> IPv6Interface | None:
    if interface.address6 is None or network.subnet6 is None:
        return None
    return IPv6Interface((interface.address6, network.subnet6.prefixlen))


def _wire(interface: Interface, node: str, seed: int) -> Wire | None:
    """Return an interface's wire with a seed, which is the lab's business where the file names none."""
    wire = interface.wire
    if wire is None or wire.seed is not None:
        return wire
    return replace(wire, seed=wire_seed(seed, node, interface.network))


def _check_backend(topology: Topology, backend: str) -> None:
    """Raise UsageError for a backend that there is not, InputError for images where there can be none."""
    if backend not in BACKENDS:
        from netlab.topology.values import suggest

        raise UsageError(f"there is no backend {backend!r}", suggest(backend, BACKENDS))
    if backend in BACKENDS_WITH_IMAGES:
        return
    hint = "run it with --backend docker, or write backend: docker at the top of the file"
    if topology.backend in BACKENDS_WITH_IMAGES:
        hint = f"leave out --backend {backend}: the file says {topology.backend}"
    faults = [
        Fault(
            _place(topology, f"{node.name}.image"),
            f"the node '{node.name}' has the image '{node.image}', and the backend {backend} knows no images",
            hint,
        )
        for node in topology.nodes
        if node.image is not None
    ]
    if faults:
        raise InputError(faults)


def _place(topology: Topology, path: str) -> Place:
    """Return where something stands in the file; for a topology that was in none, its beginning."""
    return topology.places.get(path) or Place(str(topology.source or topology.name), 1, 1)


def _hosts(topology: Topology) -> str:
    """Return /etc/hosts: bare names only, so that a name with a domain is DNS's to answer."""
    lines = ["127.0.0.1 localhost"]
    if any(network.subnet6 for network in topology.networks):
        lines.append("::1 localhost")
    for node in topology.nodes:
        for interface in node.interfaces:
            own = (interface.address, interface.address6)
            lines += [f"{address} {node.name}" for address in own if address is not None]
    return "\n".join(lines) + "\n"


def _resolv_conf(topology: Topology, node: Node, leading: Ways) -> str:
    if topology.resolver is None:
        return "# this lab has no name server\n"
    server = leading.address(topology.node(topology.resolver), node)
    return f"search {topology.search}\nnameserver {server}\noptions timeout:1 attempts:2\n"
