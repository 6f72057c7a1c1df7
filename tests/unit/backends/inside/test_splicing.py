"""The plan of a lab in which a cable gets another wire."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netlab.backends.inside import channel
from netlab.backends.inside.relaying import Wires
from netlab.backends.inside.splicing import described, planned, told
from netlab.backends.protocol import every_cable
from netlab.errors import UsageError
from netlab.plan import make_plan
from netlab.plan.changes import compare
from netlab.plan.model import Plan
from netlab.topology import parse
from netlab.topology.wires import Chance, Wire

TEXT = """
name: x
networks: {lan: 10.0.0.0/24, far: 10.1.0.0/24}
nodes:
  a: {interfaces: {lan: , far: {wire: {loss: 5%}}}}
  b: {interfaces: {far: }}
  c: {interfaces: {lan: }}
"""


@pytest.fixture
def plan() -> Plan:
    """Plan three nodes, one of which has two interfaces."""
    return make_plan(parse(TEXT, file="x.yaml", directory=Path()))


def asked(node: str, *words: str, **how: Any) -> dict[str, Any]:
    """Return what is asked for."""
    return {"node": node, "words": words, "interface": None, "ways": ("sent", "received"), **how}


def wires(plan: Plan) -> list[Wire | None]:
    """Return the wires of a's interfaces, b's and c's."""
    return [port.wire for port in plan.ports]


def test_the_same_as_in_the_file(plan: Plan) -> None:
    """The wire, with its seed, is that of a file that says the same; nothing else differs."""
    text = TEXT.replace(
        "b: {interfaces: {far: }}", "b: {interfaces: {far: {wire: {delay: 20 ms, script: [drop 1st tcp]}}}}"
    )
    wanted = make_plan(parse(text, file="x.yaml", directory=Path()))
    made = planned(plan, asked("b", "delay=20ms", "drop", "1st", "tcp"))
    assert made == wanted
    assert [change.aspect for change in compare(plan, made).changes] == ["wire"]


def test_which_interface(plan: Plan) -> None:
    """By its own name or the network's; where there are several, it must be said."""
    for name in ("eth0", "lan"):
        first, second, *_ = wires(planned(plan, asked("a", "loss=1%", interface=name)))
        assert first is not None
        assert first.sent == Chance(loss=0.01)
        assert second == wires(plan)[1]
    with pytest.raises(UsageError, match=r"several interfaces — .* eth0 \(lan\), eth1 \(far\)"):
        planned(plan, asked("a", "loss=1%"))
    with pytest.raises(UsageError, match="no interface 'eth2'"):
        planned(plan, asked("a", "loss=1%", interface="eth2"))


def test_taken_away(plan: Plan) -> None:
    """Wholly, or in one direction."""
    assert wires(planned(plan, asked("a", interface="far")))[1] is None
    _, one_way, *_ = wires(planned(plan, asked("a", interface="far", ways=("sent",))))
    assert one_way is not None
    assert (one_way.sent, one_way.received) == (Chance(), Chance(loss=0.05))
    assert wires(planned(plan, asked("b", ways=("sent",)))) == wires(plan)


def test_what_is_told(plan: Plan) -> None:
    """A cable's wire, in words and as data, and what was counted."""
    plain, wired, *_ = (described(port, {"sent": 1}) for port in plan.ports)
    assert plain == {"node": "a", "interface": "eth0", "network": "lan", "wire": None, "counted": None}
    assert wired["words"].startswith("loss 5%; seed ")
    assert (wired["counted"], wired["wire"]["sent"]["loss"]) == ({"sent": 1}, 0.05)


def test_a_lab_of_many_cables(tmp_path: Path) -> None:
    """What is told of them goes into several messages, none of them too large, and is whole."""
    text = (
        "name: x\nnetworks: {lan: 10.0.0.0/16}\nnodes:\n  pc: {count: 900, wire: {loss: 1%, delay: 20 ms}}\n"
    )
    large = make_plan(parse(text, file="x.yaml", directory=Path()))
    lab: Any = SimpleNamespace(wires=Wires(tmp_path), request=SimpleNamespace(plan=large))
    messages: list[int] = []

    def ask(first: int) -> dict[str, Any]:
        answer = told(lab, first)
        messages.append(len(json.dumps(answer)))
        return answer

    cables = every_cable(ask)["cables"]
    assert [cable["node"] for cable in cables] == [port.node for port in large.ports]
    assert len(messages) > 1
    assert max(messages) < channel.LARGEST
