"""What the engine is told to create: held to golden files, and to what must hold of every container."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netlab import topology
from netlab.backends.docker import containers
from netlab.backends.docker.containers import Lab
from netlab.plan import make_plan
from netlab.plan.model import Plan

LAB = Lab("0123456789ab", "ann", "netlab:1.0", frozenset({"memory", "processes", "CPU time", "apparmor"}))
OWN = """
name: own
backend: docker
networks: {lan: 10.0.0.0/24}
nodes:
  own: {address: 10.0.0.2, image: nginx:1.25}
  fabric: {address: 10.0.0.3}
  own-image: {address: 10.0.0.4}
"""


def told(lab: Lab, plan: Plan) -> dict[str, dict[str, Any]]:
    """Return all containers of a lab by name."""
    made = {lab.container(): containers.fabric(lab)}
    for node in plan.nodes:
        made[lab.container(node.name)] = containers.node(lab, node, "container:FABRIC")
        if node.image is not None:
            config = containers.image(lab, node, "container:FABRIC", f"container:{node.name}")
            made[lab.container(node.name, "image")] = config
    return made


@pytest.fixture
def own(tmp_path: Path) -> Plan:
    """Plan a lab of a node with an image of its own, and nodes with names that might be ours."""
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    return make_plan(topology.load(file))


@pytest.fixture
def web(root: Path) -> Plan:
    """Plan the shipped lab."""
    return make_plan(topology.load(root / "topologies" / "web.yaml"))


def test_web(web: Plan, golden: Callable[[str, str], None]) -> None:
    """The shipped lab, for as long as its maker lives."""
    golden("containers/web.json", json.dumps(told(LAB, web), indent=1) + "\n")


def test_own(own: Plan, golden: Callable[[str, str], None]) -> None:
    """A node with an image of its own, in a lab with a name, on an engine that can limit nothing."""
    lab = replace(LAB, name="long-lived", can=frozenset())
    golden("containers/own.json", json.dumps(told(lab, own), indent=1) + "\n")


@pytest.mark.parametrize("name", [None, "fabric", "own"])
def test_names_are_each_containers_own(own: Plan, name: str | None) -> None:
    """Nodes may be called `fabric` and `own-image`; two labs, and two users' of one name, do not meet."""
    names = list(told(replace(LAB, name=name), own))
    assert len(names) == len(own.nodes) + 2
    others = [
        *told(Lab("ba9876543210", "ann", "netlab:1.0", frozenset(), "other"), own),
        *told(Lab("ab0000000000", "ann-own", "netlab:1.0", frozenset(), name), own),
    ]
    assert not set(names) & set(others)
    assert (
        Lab("1", "a-b", "", frozenset(), "c").container() != Lab("2", "a", "", frozenset(), "b-c").container()
    )


@pytest.mark.parametrize("name", [None, "long-lived"])
def test_every_container_is_sealed(own: Plan, name: str | None) -> None:
    """All capabilities dropped, no new privileges, removed at its end, no network but what is made for it."""
    for container in told(replace(LAB, name=name), own).values():
        host = container["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges" in host["SecurityOpt"]
        assert host["AutoRemove"] is True
        assert host["NetworkMode"] in ("none", "container:own")
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0
        assert host["NanoCpus"] > 0
        assert not {"Binds", "Mounts", "Devices", "Privileged", "UsernsMode", "IpcMode"} & host.keys()


def test_a_lab_without_a_name_hangs_on_its_maker(own: Plan) -> None:
    """Its fabric's standard input is held open, once; that of a lab with a name is not."""
    held = {"OpenStdin", "StdinOnce", "AttachStdin"}
    assert {containers.fabric(LAB)[key] for key in held} == {True}
    assert {containers.fabric(replace(LAB, name="n"))[key] for key in held} == {False}


def test_an_engine_is_asked_for_what_it_can(web: Plan) -> None:
    """Each limit alone, as engines that lack one refuse it or warn."""
    keys = {"memory": "Memory", "processes": "PidsLimit", "CPU time": "NanoCpus"}
    for ability, key in keys.items():
        host = containers.fabric(replace(LAB, can=frozenset({ability})))["HostConfig"]
        assert {each for each in keys.values() if each in host} == {key}
        assert host["SecurityOpt"] == ["no-new-privileges"]
