"""Wires told: a line of words that says all, netem's commands, and the seed that the lab's decides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netlab.plan import cables, make_plan
from netlab.plan.commands import commands
from netlab.plan.describe import data, text
from netlab.plan.model import Plan, Port
from netlab.topology import parse


def planned(wire: str, seed: int | None = None) -> Plan:
    """Plan a lab in which web has this wire."""
    yaml = f"nodes: {{client: , web: {{wire: {wire}}}}}"
    return make_plan(parse(yaml, file="lab.yaml", directory=Path("/nowhere")), seed=seed)


def port(plan: Plan) -> Port:
    """Return web's port."""
    return plan.node("web").ports[0]


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        ("{seed: 7}", "changes nothing"),
        ("{loss: 5%, seed: 7}", "loss 5%; seed 7"),
        ("{delay: 20 ms, rate: 1 Mbit/s, seed: 7}", "delay 20 ms, rate 1 Mbit/s"),
        ("{delay: 20 ms, jitter: 5ms, seed: 7, engine: netem}", "delay 20 ms ± 5 ms; seed 7; by netem"),
        (
            "{script: [drop 2nd from web data tcp, delay each to web by 2 s], seed: 7}",
            "drop 2nd tcp data from web; delay each to web by 2 s",
        ),
        (
            "{script: [drop 1st], duplicate: 1%, sent: {duplicate: 0%, reorder: 2%}, seed: 7}",
            "drop 1st; sent: reorder 2%; received: duplicate 1%; seed 7",
        ),
        (
            "{received: {corrupt: 0.1%, loss: {enter: 1%, leave: 30%, bad: 80%, good: 2%}}, seed: 7}",
            "received: loss in bursts (enter 1%, leave 30%, bad 80%, good 2%), corrupt 0.1%; seed 7",
        ),
    ],
)
def test_a_wire_in_words(wire: str, words: str) -> None:
    """What is not impaired is not told; the seed is where something is left to it."""
    plan = planned(wire)
    own = port(plan).wire
    assert own is not None
    assert cables.words(own, "web") == words
    assert f"  wire  eth0  {words}\n" in text(plan)


def test_a_seed_for_each_cable() -> None:
    """The lab's seed decides it, and each cable has its own; one that the file gives stays."""
    yaml = """
networks: {lan: , dmz: }
nodes:
  a: {interfaces: {lan: {wire: {loss: 5%}}, dmz: {wire: {loss: 5%}}}}
  b: {interfaces: {lan: {wire: {loss: 5%, seed: 7}}, dmz: }}
"""
    topology = parse(yaml, file="lab.yaml", directory=Path("/nowhere"))
    seeds = [
        [one.wire.seed for one in make_plan(topology, seed=seed).ports if one.wire] for seed in (1, 1, 2)
    ]
    assert seeds[0] == seeds[1]
    assert seeds[0][2] == seeds[2][2] == 7
    assert len({*seeds[0], *seeds[2]}) == 5
    assert all(0 <= seed < 2**64 for seed in seeds[0] if seed is not None)


def test_netems_commands() -> None:
    """It acts on what leaves an interface: the node's for what it sends, the switch's for what it gets."""
    wire = (
        "{engine: netem, delay: 20 ms, jitter: 5 ms, sent: {loss: {enter: 1%, leave: 30%}},"
        " received: {loss: 5%, corrupt: 0.1%, duplicate: 1%, reorder: 2%, rate: 2.5 Mbit/s}}"
    )
    assert [line for line in commands(planned(wire)) if line.startswith("tc ")] == [
        "tc -n web qdisc add dev eth0 root netem delay 20ms 5ms loss gemodel 1% 30% 100% 0%",
        "tc -n fabric qdisc add dev web root netem delay 20ms 5ms loss random 5%"
        " corrupt 0.1% duplicate 1% reorder 2% rate 2500kbit",
    ]


def test_netlabs_own_wire_has_no_command() -> None:
    """A comment says what happens there; a cable without a wire has neither."""
    lines = commands(planned("{script: [drop 1st tcp]}"))
    (at,) = [number for number, line in enumerate(lines) if "carries each packet" in line]
    assert lines[at : at + 2] == [
        "# Here netlab carries each packet between eth0 and the switch itself:",
        "# drop 1st tcp.",
    ]
    assert not any("wire" in line or "carries" in line for line in commands(planned("")))


def test_as_data() -> None:
    """A program gets numbers; a cable without a wire says nothing."""
    nodes = json.loads(json.dumps(data(planned("{script: [drop 1st tcp], loss: 5%, seed: 7}"))))["nodes"]
    assert "wire" not in nodes[0]["ports"][0]
    wire = nodes[1]["ports"][0]["wire"]
    assert (wire["script"], wire["seed"], wire["engine"]) == (["drop 1st tcp"], 7, "user")
    assert wire["sent"] == wire["received"] | {"loss": 0.05}
