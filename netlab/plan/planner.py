"""A topology to a plan."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

from netlab.plan.model import Plan, PlannedNode, Port, Switch
from netlab.plan.names import InterfaceNames, Macs
from netlab.plan.rules import RULES
from netlab.plan.sysctls import sysctls
from netlab.topology.model import Node, Topology


def plan(topology: Topology, seed: int) -> Plan:
    """Decide every name, number, file and rule of the lab."""
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
        nodes.append(PlannedNode(node.name, ports, files, parameters, rules, node.services))
    return Plan(topology.name, seed, tuple(switches.values()), tuple(nodes))


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
