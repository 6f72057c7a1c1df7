"""A topology to a plan."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from netlab.errors import Fault, InputError, Place, UsageError
from netlab.plan.model import Plan, PlannedNode, Port, Switch
from netlab.plan.names import InterfaceNames, Macs
from netlab.plan.rules import RULES
from netlab.plan.sysctls import sysctls
from netlab.topology.model import Node, Topology
from netlab.topology.vocabulary import BACKENDS, BACKENDS_WITH_IMAGES


def plan(topology: Topology, seed: int, backend: str) -> Plan:
    """Decide every name, number, file and rule of the lab."""
    _check_backend(topology, backend)
    names, macs = InterfaceNames(), Macs(seed)
    switches = {
        network.name: Switch(network.name, names.bridge(network.name), macs.of(f"switch/{network.name}"))
        for network in topology.networks
    }
    prefixes = {network.name: network.subnet.prefixlen for network in topology.networks}
    hosts = _hosts(topology)
    nodes = []
    for node in topology.nodes:
        ports = tuple(
            Port(
                node=node.name,
                interface=interface.name,
                mac=macs.of(f"node/{node.name}/{interface.name}"),
                address=IPv4Interface((interface.address, prefixes[interface.network])),
                switch=interface.network,
                port=names.port(node.name, index),
                port_mac=macs.of(f"port/{node.name}/{interface.name}"),
            )
            for index, interface in enumerate(node.interfaces)
        )
        files = (
            ("/etc/hostname", node.name + "\n"),
            ("/etc/hosts", hosts),
            ("/etc/resolv.conf", _resolv_conf(topology, node)),
        )
        rules = tuple(RULES[name] for name in node.firewall)
        parameters = sysctls(port.interface for port in ports)
        made = PlannedNode(node.name, ports, files, parameters, rules, node.services, node.image)
        nodes.append(made)
    return Plan(topology.name, seed, tuple(switches.values()), tuple(nodes), backend)


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
    lines += [f"{interface.address} {node.name}" for node in topology.nodes for interface in node.interfaces]
    return "\n".join(lines) + "\n"


def _resolv_conf(topology: Topology, node: Node) -> str:
    if topology.resolver is None:
        return "# this lab has no name server\n"
    server = _reachable(topology.node(topology.resolver), node)
    return f"search {topology.search}\nnameserver {server}\noptions timeout:1 attempts:2\n"


def _reachable(server: Node, node: Node) -> IPv4Address:
    """Return the server's address on a network that it shares with the node, else its first."""
    shared = {interface.network for interface in node.interfaces}
    near = [interface.address for interface in server.interfaces if interface.network in shared]
    return near[0] if near else server.interfaces[0].address
