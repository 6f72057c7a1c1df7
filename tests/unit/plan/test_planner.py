"""What a plan promises: the same for the same seed, unique names, the files of every node."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import InputError, Place, UsageError
from netlab.plan import make_plan
from netlab.plan.commands import commands
from netlab.plan.describe import data, text
from netlab.plan.model import Plan
from netlab.plan.names import wire_ends, wire_macs
from netlab.topology import load, parse
from netlab.topology.model import Topology


def read(yaml: str) -> Topology:
    """Read a topology without content."""
    return parse(yaml, file="lab.yaml", directory=Path("/nowhere"))


def macs(plan: Plan) -> list[str]:
    """Return every MAC address of a lab."""
    return [
        *(switch.mac for switch in plan.switches),
        *(mac for port in plan.ports for mac in (port.mac, port.port_mac)),
    ]


def fabric_names(plan: Plan) -> list[str]:
    """Return the name of every interface in the fabric."""
    return [*(switch.bridge for switch in plan.switches), *(port.port for port in plan.ports)]


# A name of digits alone is refused: programs take it for an address.
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda name: not name.isdigit()
) | st.sampled_from(
    [
        "br-lan",
        "br-a",
        "lo",
        "all",
        "default",
        "fabric",
        "a" * 63,
        "a" * 62 + "b",
        "a" * 13,
        "a" * 12,
        "a" * 11,
    ]
)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Labs of one to three networks whose nodes are on any of them, with awkward names."""
    names = draw(
        st.lists(LABELS, min_size=1, max_size=12, unique=True).filter(lambda names: "localhost" not in names)
    )
    networks = draw(
        st.lists(LABELS, min_size=1, max_size=3, unique=True).filter(lambda names: "localhost" not in names)
    )
    lines = [
        "networks:",
        *(f"  {json.dumps(name)}: 10.0.{index}.0/24" for index, name in enumerate(networks)),
        "nodes:",
    ]
    for name in names:
        on = draw(st.lists(st.sampled_from(networks), min_size=1, unique=True))
        if name in names[:2]:  # nobody is alone on a network
            on = networks
        lines.append(
            f"  {json.dumps(name)}: {{interfaces: {{{', '.join(json.dumps(one) + ': ' for one in on)}}}}}"
        )
    return read("\n".join(lines))


@given(topologies(), st.integers(0, 2**64 - 1))
def test_same_seed_same_plan(topology: Topology, seed: int) -> None:
    """Planning twice gives the same plan, in every form that it has."""
    first, second = make_plan(topology, seed=seed), make_plan(topology, seed=seed)
    assert first == second
    assert text(first) == text(second)
    assert commands(first) == commands(second)


@given(topologies(), st.sets(st.integers(0, 2**64 - 1), min_size=2, max_size=2))
def test_other_seed_other_macs(topology: Topology, seeds: set[int]) -> None:
    """A seed decides the MAC addresses, and nothing else that is told of a plan."""
    first, second = (make_plan(topology, seed=seed) for seed in seeds)
    assert not set(macs(first)) & set(macs(second))
    assert fabric_names(first) == fabric_names(second)
    assert [node.files for node in first.nodes] == [node.files for node in second.nodes]


@given(topologies())
def test_names_and_macs_are_unique_and_fit(topology: Topology) -> None:
    """No interfaces of the fabric share a name, none is too long or taken, and no MAC is there twice."""
    plan = make_plan(topology)
    names = fabric_names(plan)
    assert len(set(names)) == len(names)
    names += [end for port in plan.ports for end in wire_ends(port.port)]
    assert len(set(names)) == len(names)
    assert all(0 < len(name.encode()) <= 15 for name in names)
    assert not set(names) & {"lo", "all", "default"}
    ends = [mac for port in plan.ports for mac in wire_macs(port.port_mac)]
    assert len({*macs(plan), *ends}) == len(macs(plan)) + len(ends)
    assert all(mac.startswith("02:") and len(mac) == 17 for mac in macs(plan))


@given(topologies())
def test_data_is_json(topology: Topology) -> None:
    """What a program reads survives JSON unchanged."""
    found = data(make_plan(topology))
    assert json.loads(json.dumps(found)) == found


def test_seed_is_the_topologys_unless_given() -> None:
    """The file's seed holds; the caller's goes before it, zero too."""
    topology = read("seed: 7\nnodes: {a: }")
    assert make_plan(topology).seed == 7
    assert make_plan(topology, seed=0).seed == 0
    assert make_plan(topology) == make_plan(topology, seed=7)


def test_backend_is_the_topologys_unless_given() -> None:
    """The file's backend holds; the caller's goes before it."""
    topology = read("backend: docker\nnodes: {a: }")
    assert make_plan(topology).backend == "docker"
    assert make_plan(topology, backend="netns").backend == "netns"
    assert make_plan(read("nodes: {a: }")).backend == "netns"


@given(topologies())
def test_a_backend_decides_nothing_else(topology: Topology) -> None:
    """In containers, a lab has the same names, addresses, MACs, files and commands."""
    spaces, containers = make_plan(topology), make_plan(topology, backend="docker")
    assert replace(containers, backend="netns") == spaces
    assert commands(containers) == commands(spaces)


def test_a_backend_that_there_is_not() -> None:
    """A caller's slip gets the nearest name."""
    with pytest.raises(UsageError, match="there is no backend 'dokker' — did you mean 'docker'"):
        make_plan(read("nodes: {a: }"), backend="dokker")


IMAGES = "nodes:\n  a: {image: nginx:1.25}\n  b:\n  c:\n    image: python:3.12\n"


def test_images_are_planned_where_there_can_be_some() -> None:
    """A node's image is in the plan, in its text and in its data; a node without one says nothing of it."""
    plan = make_plan(read(IMAGES), backend="docker")
    assert [node.image for node in plan.nodes] == ["nginx:1.25", None, "python:3.12"]
    assert [node["image"] for node in data(plan)["nodes"]] == ["nginx:1.25", None, "python:3.12"]
    assert data(plan)["backend"] == "docker"
    told = text(plan)
    assert told.startswith("Lab lab: 3 nodes, seed 2012, backend docker.\n")
    assert told.endswith("\n\na\n  image  nginx:1.25\n\nc\n  image  python:3.12\n")
    assert "image" not in text(make_plan(read("nodes: {a: }")))


def test_images_without_containers_are_faults() -> None:
    """Each image is told with its place, and how to get it: all of them at once."""
    with pytest.raises(InputError) as caught:
        make_plan(read(IMAGES))
    assert [fault.place for fault in caught.value.faults] == [
        Place("lab.yaml", 2, 14),
        Place("lab.yaml", 5, 12),
    ]
    assert str(caught.value.faults[0]) == (
        "lab.yaml:2:14: the node 'a' has the image 'nginx:1.25', and the backend netns knows no images"
        " — run it with --backend docker, or write backend: docker at the top of the file"
    )


def test_images_against_the_files_own_backend() -> None:
    """Where the file has it right, the option is what has to go."""
    with pytest.raises(InputError, match="leave out --backend netns: the file says docker"):
        make_plan(read("backend: docker\n" + IMAGES), backend="netns")


def test_images_of_a_topology_that_is_in_no_file() -> None:
    """One that a program has put together has no places; the fault still names the node."""
    with pytest.raises(InputError, match=r"^lab:1:1: the node 'a' has the image"):
        make_plan(replace(read(IMAGES), places={}))


def test_the_name_server_is_asked_over_the_version_that_leads_there() -> None:
    """Where routers join only IPv6, its IPv6 address is written, although both nodes have IPv4 too."""
    plan = make_plan(
        read(
            "networks:\n"
            "  {left: {subnet6: auto}, between: {subnet: none, subnet6: auto}, right: {subnet6: auto}}\n"
            "nodes:\n"
            "  ns: {interfaces: {left: }, services: {dns: {zones: {lab.test: {}}}}}\n"
            "  r1: {router: true, interfaces: {left: , between: }}\n"
            "  r2: {router: true, interfaces: {between: , right: }}\n"
            "  a: {interfaces: {right: }}\n"
        )
    )
    assert "nameserver fd00::1\n" in dict(plan.node("a").files)["/etc/resolv.conf"]
    assert "nameserver 10.0.0.1\n" in dict(plan.node("ns").files)["/etc/resolv.conf"]


@pytest.mark.parametrize("name", ["web", "web-rst"])
def test_a_plan_can_be_sent(name: str, root: Path) -> None:
    """A plan, with all that it holds, survives being pickled: it is built in another process."""
    plan = make_plan(load(root / "topologies" / f"{name}.yaml"), backend="docker")
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_a_new_node_changes_no_other() -> None:
    """MACs come from names, not from an order: a node more leaves the others' as they are."""
    few, more = make_plan(read("nodes: {a: , b: }")), make_plan(read("nodes: {new: , a: , b: }"))
    assert [port.mac for port in few.ports] == [port.mac for port in more.ports][1:]


def test_ports_are_called_after_their_nodes() -> None:
    """The first port has the node's name, the next ones a number; a long name is cut, and stays unique."""
    plan = make_plan(
        read(
            "networks: {lan: 10.0.0.0/24, dmz: 10.0.1.0/24, br-network-of-the-lab: 10.0.2.0/24}\nnodes:\n"
            "  client: {interfaces: {lan: , dmz: , br-network-of-the-lab: }}\n"
            "  a-very-long-name: {interfaces: {lan: , dmz: }}\n"
            "  a-very-long-name-too: {interfaces: {lan: }}\n"
            "  br-lan: {interfaces: {lan: , br-network-of-the-lab: }}\n"
            "  lo: {interfaces: {lan: }}\n"
        )
    )
    assert [switch.bridge for switch in plan.switches] == ["br-lan", "br-dmz", "br-br-network~1"]
    assert [port.port for port in plan.ports] == [
        "client",
        "client.1",
        "client.2",
        "a-very-lon~1",
        "a-very-lon~1.1",
        "a-very-lon~2",
        "br-lan~1",
        "br-lan~1.1",
        "lo~1",
    ]


def test_files_of_a_node() -> None:
    """Each node has its own name, everyone's addresses, and the resolver that it can reach."""
    plan = make_plan(
        read(
            "networks: {lan: 10.0.0.0/24, dmz: 10.0.1.0/24}\nnodes:\n"
            "  a: {interfaces: {dmz: }}\n"
            "  ns: {interfaces: {lan: 10.0.0.53, dmz: 10.0.1.53},"
            " services: {dns: {zones: {lab.test: {www: 192.0.2.80}}}}}\n"
            "  b: {interfaces: {lan: }}\n"
        )
    )
    assert dict(plan.node("a").files) == {
        "/etc/hostname": "a\n",
        "/etc/hosts": "127.0.0.1 localhost\n10.0.1.1 a\n10.0.0.53 ns\n10.0.1.53 ns\n10.0.0.1 b\n",
        "/etc/resolv.conf": "search lab.test\nnameserver 10.0.1.53\noptions timeout:1 attempts:2\n",
    }
    assert "nameserver 10.0.0.53\n" in dict(plan.node("ns").files)["/etc/resolv.conf"]


def test_no_resolver_no_nameserver() -> None:
    """A lab without DNS has a resolv.conf that says so, lest the machine's own be seen."""
    files = dict(make_plan(read("nodes: {a: }")).node("a").files)
    assert files["/etc/resolv.conf"].startswith("#")
    assert "nameserver" not in files["/etc/resolv.conf"]


@pytest.mark.parametrize("name", ["web", "web-rst", "two-routers", "hub", "dual-homed", "nat", "lossy"])
def test_shipped_plans(name: str, root: Path, golden: Callable[[str, str], None]) -> None:
    """The whole plan of each shipped topology, as a student and as a program see it, and by hand."""
    plan = make_plan(load(root / "topologies" / f"{name}.yaml"))
    here = str(root)
    golden(f"plans/{name}.txt", text(plan).replace(here, "."))
    golden(f"plans/{name}.json", json.dumps(data(plan), indent=2).replace(here, ".") + "\n")
    golden(f"plans/{name}.sh", "\n".join(commands(plan)) + "\n")


def test_a_thousand_nodes_are_planned_in_half_a_second() -> None:
    """Nothing on the way from text to plan is quadratic in the number of nodes."""
    nodes = (f"  node-number-{number}:\n    firewall: [hold-back-rst]" for number in range(1000))
    yaml = "networks: {lan: 10.0.0.0/16}\nnodes:\n" + "\n".join(nodes)
    begin = time.process_time()
    plan = make_plan(read(yaml))
    assert time.process_time() - begin < 0.5
    assert len(set(fabric_names(plan))) == 1001
