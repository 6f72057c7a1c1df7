"""The commands that would build a plan by hand; the shipped ones are golden in test_planner.py."""

from __future__ import annotations

import shlex
from pathlib import Path

from netlab.plan import make_plan
from netlab.plan.commands import commands
from netlab.plan.model import Plan
from netlab.topology import parse


def planned(yaml: str) -> Plan:
    """Plan a topology without content."""
    return make_plan(parse(yaml, file="lab.yaml", directory=Path("/nowhere")))


def test_a_node_called_fabric() -> None:
    """A node of that name and the namespace of the switches do not become one."""
    lines = commands(planned("nodes: {fabric: }"))
    made = [line for line in lines if line.startswith("ip netns add")]
    assert len(set(made)) == 2


def test_a_shell_can_read_them() -> None:
    """Every command's quotes close, and every here-document ends."""
    for command in commands(planned("nodes: {a: {firewall: [hold-back-rst]}, b: }")):
        line, _, document = command.partition("\n")
        words = shlex.split(line, comments=True)
        assert words == [] or words[0] in {"ip", "mkdir", "cat", "cp"}
        assert document.endswith("\nEND") == ("<<END" in words)


def test_a_nodes_parameters_are_one_line() -> None:
    """Every parameter of the plan is in one command, which the shell splits as it was meant."""
    plan = planned("nodes: {a: , b: }")
    found = [
        shlex.split(line) for line in commands(plan) if "sysctl" in line.split() and "fabric" not in line
    ]
    assert [words[:7] for words in found] == [
        ["ip", "netns", "exec", node.name, "sysctl", "-e", "-w"] for node in plan.nodes
    ]
    for words, node in zip(found, plan.nodes, strict=True):
        assert words[7:] == [f"{key.removeprefix('-')}={value}" for key, value in node.sysctls]


def test_every_interface_is_made_once() -> None:
    """Each end of each cable is named in exactly one command that makes it."""
    plan = planned(
        "networks: {lan: 10.0.0.0/24, dmz: 10.0.1.0/24}\n"
        "nodes: {a: {interfaces: {lan: , dmz: }}, b: {interfaces: {dmz: , lan: }}}"
    )
    made = [line for line in commands(plan) if "type veth" in line]
    assert len(made) == 4
    for port, line in zip(plan.ports, made, strict=True):
        assert f"name {port.port} address {port.port_mac} " in line
        assert f"peer name {port.interface} address {port.mac} netns {port.node}" in line
