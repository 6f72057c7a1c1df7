"""What differs between two plans: nothing between equals, all of it between others, the same both ways."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import Place, UsageError
from netlab.plan import make_plan
from netlab.plan.changes import compare
from netlab.plan.keeping import keep_names
from netlab.plan.model import Plan, PlannedNode, Port, Route, Rule, Switch
from netlab.plan.restarts import why_restart
from netlab.topology import load, parse
from netlab.topology.given import GivenFile, Limits, Provisions, Startup
from netlab.topology.model import DnsService, Zone
from netlab.topology.recordings import Capture
from netlab.topology.rules import RawRules
from netlab.topology.wires import Wire

BEFORE = """
name: campus
time-limit: 60
captures: {pages: {filter: {port: 80}}, gone: {}}
networks: {lan: 10.0.0.0/24, old: {subnet: 10.1.0.0/24}}
nodes:
  client:
    interfaces: {lan: 10.0.0.10}
    firewall: [hold-back-rst]
    environment: {COLOUR: red, GONE: yes it is}
    sysctls: {net.ipv4.tcp_syncookies: 1}
    files: {/etc/motd: "one\\n", /srv/gone: ""}
  dns:
    interfaces: {lan: 10.0.0.53, old: }
    services: {dns: {zones: {lab.test: {www: 10.0.0.80}, a.test: {b: 192.0.2.1}}}}
  web:
    interfaces: {lan: 10.0.0.80}
    services: {http: {content: www}}
    firewall: [{protocol: tcp, port: 81, verdict: drop, name: a}, {protocol: icmp, verdict: drop, name: b}]
    limits: {memory: 256 MiB}
  leaving: {interfaces: {old: }}
"""
AFTER = """
name: campus
resolver: none
captures: {pages: {filter: {port: 81}}, new: {}}
networks: {lan: {subnet: 10.0.0.0/24, mtu: 1400, kind: hub}, new: {subnet: 10.2.0.0/24, subnet6: auto}}
nodes:
  client:
    interfaces: {lan: 10.0.0.11}
    environment: {COLOUR: blue}
    sysctls: {net.ipv4.tcp_syncookies: 0, net.ipv4.tcp_sack: 0}
    files: {/etc/motd: "two\\n", /srv/new: ""}
    nft: |
      table ip x { }
  extra: {interfaces: {new: }}
  dns:
    interfaces: {lan: 10.0.0.54, new: {mac: "02:00:00:00:00:01"}}
    router: true
    services: {dns: {zones: {lab.test: {www: 192.0.2.81}, c.test: {b: 192.0.2.1}}}}
  web:
    interfaces: {lan: {address: 10.0.0.80, up: false}}
    services: {http: {content: www, port: 8080}}
    firewall: [{protocol: icmp, verdict: drop, name: b}, {protocol: tcp, port: 81, verdict: drop, name: a}]
    limits: {memory: 256 MiB, processes: 50}
"""
Golden = Callable[[str, str], None]


@pytest.fixture
def planned(root: Path) -> Callable[[str], Plan]:
    """Plan a topology whose content lies in topologies/."""
    return lambda text: make_plan(parse(text, file="lab.yaml", directory=root / "topologies"))


def lines(old: Plan, new: Plan) -> str:
    """Tell all that differs, a line each."""
    comparison = compare(old, new)
    return "".join(f"{each}\n" for each in (*comparison.changes, *comparison.refusals))


def test_the_words(planned: Callable[[str], Plan], golden: Golden) -> None:
    """Each kind of change has its line, in the file's words; what follows from others has none."""
    golden("changes/campus.txt", lines(planned(BEFORE), planned(AFTER)))


def test_the_words_of_shipped_topologies(root: Path, golden: Golden) -> None:
    """A file that is quite another one is told node by node."""
    plans = {name: make_plan(load(root / "topologies" / f"{name}.yaml")) for name in ("web", "two-routers")}
    golden("changes/web-to-two-routers.txt", lines(plans["web"], plans["two-routers"]))


def test_a_wire_is_a_change_of_its_own(planned: Callable[[str], Plan]) -> None:
    """One that comes, goes or changes is told in its words, and takes no new start; an interface is named."""
    wires = ("", "wire: {loss: 5%, seed: 7}", "wire: {script: [drop 1st tcp from a]}")
    none, lossy, scripted = (planned(f"nodes: {{a: {{{wire}}}, b: }}") for wire in wires)
    assert lines(none, lossy) == "a: wire added (loss 5%; seed 7)\n"
    assert lines(lossy, none) == "a: wire removed (loss 5%; seed 7)\n"
    assert lines(lossy, scripted) == "a: wire loss 5%; seed 7 → drop 1st tcp from a\n"
    nodes = "nodes: {a: {interfaces: {x: , y: WIRE}}, b: {interfaces: {x: , y: }}}"
    two = [
        planned(f"networks: {{x: , y: }}\n{nodes.replace('WIRE', one)}")
        for one in ("", "{wire: {delay: 1 s}}")
    ]
    assert lines(*two) == "a: wire of eth1 added (delay 1 s)\n"


def test_another_seed(planned: Callable[[str], Plan]) -> None:
    """It is refused, with the way out, and the MACs that follow from it are not mentioned."""
    old = planned(BEFORE)
    new = make_plan(parse(BEFORE, file="x", directory=Path("topologies")), seed=7)
    comparison = compare(old, replace(new, nodes=tuple(_as(old, node) for node in new.nodes)))
    assert comparison.changes == ()
    assert comparison.refusals == ("seed 2012 → 7",)
    with pytest.raises(UsageError, match=r"a new start: seed 2012 → 7 — .*give --seed and --backend"):
        comparison.check()


@pytest.mark.parametrize(
    "key",
    [
        "net.ipv4.conf.default.accept_redirects",
        "net.ipv6.neigh.default.gc_stale_time",
        "net.ipv6.conf.all.addr_gen_mode",
    ],
)
def test_what_interfaces_take_on_as_they_are_made(planned: Callable[[str], Plan], key: str) -> None:
    """To give, change or take back what reaches no interface that is there takes a new start."""
    texts = [f"nodes: {{a: {{sysctls: {{{words}}}}}, b: }}" for words in ("", f"{key}: 0", f"{key}: 1")]
    plans_ = [planned(text) for text in texts]
    for old, new in itertools.permutations(plans_, 2):
        (refusal,) = compare(old, new).refusals
        assert refusal == f"a: sysctl {key}, which interfaces take on as they are made"
    assert not compare(plans_[1], planned(texts[1].replace("b: }", "b: , c: }"))).refusals


def _as(old: Plan, node: PlannedNode) -> PlannedNode:
    return replace(node, services=old.node(node.name).services)


# -- laws ------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "averylongname-1", "averylongname-2", "r")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw a plan: some of a few nodes, in any order, on some of a few networks, with this and that."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, unique=True))
    mtu = draw(st.sampled_from(["", ", mtu: 1400", ", mtu: 1500"]))
    subnet6 = draw(st.sampled_from(["", ", subnet6: auto"]))
    kind = draw(st.sampled_from(["switch", "hub"]))
    text = (
        f"networks: {{lan: {{subnet: 10.0.0.0/24, kind: {kind}{mtu}{subnet6}}}, far: 10.1.0.0/24}}\nnodes:\n"
    )
    for name in names:
        words = [
            draw(st.sampled_from(["interfaces: {lan: , far: }", "interfaces: {far: , lan: {up: false}}"]))
        ]
        words += draw(st.lists(st.sampled_from(WORDS), unique_by=lambda word: word.partition(":")[0]))
        text += f"  {name}: {{{', '.join(words)}}}\n"
    return make_plan(parse(text, file="lab.yaml", directory=Path("topologies").absolute()))


INTERFACES = ("interfaces: {lan: , far: }", "interfaces: {far: , lan: {up: false}}")
WORDS = (
    "router: true",
    "default: none",
    "firewall: [hold-back-rst]",
    "firewall: [{port: 1, protocol: tcp, verdict: drop}, {protocol: icmp, verdict: accept}]",
    "firewall: [{protocol: icmp, verdict: accept}, {port: 1, protocol: tcp, verdict: drop}]",
    "environment: {A: b}",
    "environment: {A: c, D: e}",
    "sysctls: {net.ipv4.tcp_sack: 0}",
    "files: {/srv/a: b}",
    "files: {/srv/a: c, /srv/d: ''}",
    "limits: {files: 100}",
    "services: {http: {content: .}}",
    "services: {http: {content: ., port: 81}}",
    "nft: 'table ip x { }'",
)


@given(plans())
def test_nothing_differs_from_itself(plan: Plan) -> None:
    """A plan compared to itself has neither changes nor refusals, and is what it was."""
    comparison = compare(plan, plan)
    assert (comparison.changes, comparison.refusals, comparison.new) == ((), (), plan)


@given(plans(), plans())
def test_the_way_back_is_the_mirrored_one(old: Plan, new: Plan) -> None:
    """What differs one way, differs the other way, before and after exchanged."""
    there = compare(old, new)
    back = compare(there.new, old)
    assert {change.mirrored() for change in there.changes} == set(back.changes)
    assert len(there.refusals) == len(back.refusals)


@given(plans(), plans())
def test_no_difference_goes_unsaid(old: Plan, new: Plan) -> None:
    """Plans that differ have a change or a refusal, each told in words of its own."""
    comparison = compare(old, new)
    told = list(map(str, comparison.changes))
    assert (old != comparison.new) == bool(told or comparison.refusals)
    assert len(told) == len(set(told))


@given(plans(), plans())
def test_names_are_kept(old: Plan, new: Plan) -> None:
    """Interfaces that both have keep their names; those of new ones are theirs alone, and fit the kernel."""
    kept = keep_names(old, new)
    before = {(port.node, port.interface): port.port for port in old.ports}
    everything = set(before.values()) | {switch.bridge for switch in old.switches}
    fresh = [port.port for port in kept.ports if (port.node, port.interface) not in before]
    for port in kept.ports:
        assert port.port == before.get((port.node, port.interface), port.port)
        assert len(port.port.encode()) <= 15
    assert len(fresh) == len(set(fresh))
    assert not set(fresh) & everything
    assert replace(kept, switches=new.switches, nodes=new.nodes) == new


# -- every field -----------------------------------------------------------------------------------------

# Another value of each field that is compared by itself; any other field is refused, whatever it holds.
OTHERS: dict[tuple[type, str], Any] = {
    (Plan, "time_limit"): 7,
    (Plan, "captures"): (Capture("x"),),
    (Plan, "switches"): (),
    (Plan, "nodes"): (),
    (Switch, "name"): "other",
    (Switch, "kind"): "hub",
    (Port, "mac"): "02:00:00:00:00:01",
    (Port, "address"): IPv4Interface("10.9.9.9/24"),
    (Port, "switch"): "other",
    (Port, "port_mac"): "02:00:00:00:00:01",
    (Port, "address6"): IPv6Interface("fd00::9/64"),
    (Port, "mtu"): 1280,
    (Port, "up"): False,
    (Port, "interface"): "eth7",
    (PlannedNode, "name"): "other",
    (PlannedNode, "ports"): (),
    (PlannedNode, "files"): (("/etc/resolv.conf", ""),),
    (PlannedNode, "sysctls"): (),
    (PlannedNode, "rules"): (Rule("x", "", "input", "", (), "drop"),),
    (PlannedNode, "services"): (DnsService(()),),
    (PlannedNode, "nft"): RawRules("table ip y { }", Place("x", 1, 1)),
    (PlannedNode, "provisions"): Provisions(environment=(("X", "y"),)),
    (PlannedNode, "router"): True,
    (PlannedNode, "routes"): (Route(IPv4Network("10.8.0.0/16"), IPv4Address("10.0.0.1"), "eth0"),),
    (Provisions, "environment"): (("X", "y"),),
    (Provisions, "sysctls"): (("net.ipv4.tcp_sack", "0"),),
    (Provisions, "files"): (GivenFile("/x", b""),),
    (Provisions, "limits"): Limits(files=7),
    (Provisions, "start"): (Startup(("true",)),),
    (Port, "wire"): Wire(),
    # A switch port's name is netlab's own, and kept.
    (Port, "port"): None,
    (Switch, "bridge"): None,
    (Port, "node"): None,
}


def _altered(plan: Plan, kind: type, name: str, value: object) -> Plan:
    """Give one field another value in the first node, port or switch."""
    node = plan.nodes[0]
    if kind is Plan:
        return replace(plan, **{name: value})
    if kind is Switch:
        return replace(plan, switches=(replace(plan.switches[0], **{name: value}), *plan.switches[1:]))
    if kind is Port:
        other = replace(node, ports=(replace(node.ports[0], **{name: value}), *node.ports[1:]))
    elif kind is Provisions:
        other = replace(node, provisions=replace(node.provisions, **{name: value}))
    else:
        other = replace(node, **{name: value})
    return replace(plan, nodes=(other, *plan.nodes[1:]))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, each.name)
        for kind in (Plan, Switch, PlannedNode, Port, Provisions)
        for each in fields(kind)
        if each.compare and OTHERS.get((kind, each.name), "other") is not None
    ],
)
def test_every_field_counts(planned: Callable[[str], Plan], kind: type, name: str) -> None:
    """A field that differs is told; one that nobody thought of, as what takes a new start."""
    assert is_dataclass(kind)
    old = planned(BEFORE)
    known = (kind, name) in OTHERS
    comparison = compare(old, _altered(old, kind, name, OTHERS.get((kind, name), "other")))
    assert comparison.changes or comparison.refusals
    assert known or comparison.refusals


def test_a_note_names_a_few_zones() -> None:
    """Thousands of zones that come make a line, not a book."""
    old, new = (
        DnsService(zones=tuple(Zone(f"z{number}.test", ()) for number in range(count))) for count in (1, 3001)
    )
    words = why_restart(old, new)
    assert words.startswith("zone z1.test added, zone z2.test added")
    assert words.endswith(", zone z10.test added, 2990 more")
