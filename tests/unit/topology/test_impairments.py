"""`wire:` in a file: what it means; what is wrong with others is golden in test_faults.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.errors import InputError
from netlab.topology import parse
from netlab.topology.impairments import check, with_setting
from netlab.topology.quantities import Unfit
from netlab.topology.steps import parse_step
from netlab.topology.wires import Burst, Chance, Wire


def wire(text: str, node: str = "web") -> Wire | None:
    """Return the wire of a node's first interface."""
    return parse(text, file="lab.yaml", directory=Path("/nowhere")).node(node).interfaces[0].wire


def of(says: str) -> Wire | None:
    """Return the wire that web has, where it says this."""
    return wire(f"nodes: {{client: , web: {{wire: {says}}}}}")


def test_nothing_is_no_wire() -> None:
    """A key left empty says nothing; an empty wire is one that changes nothing yet."""
    assert of("") is of("null") is None
    assert of("{}") == of("{loss: 0%}") == Wire()


def test_both_directions_and_each() -> None:
    """What is said of one direction lies over what is said of both, key by key."""
    told = of("{loss: 5%, delay: 20 ms, sent: {loss: 0%}, received: {jitter: 5 ms, delay: 10ms}}")
    assert told == Wire((), Chance(delay=0.02), Chance(loss=0.05, delay=0.01, jitter=0.005))


def test_every_setting() -> None:
    """Each has its place in `Chance`."""
    told = of(
        "{rate: 1 Mbit/s, duplicate: 1%, reorder: 2%, corrupt: 0.1%, delay: 1 s, jitter: 1 s, seed: 7,"
        " loss: {enter: 1%, leave: 30%, bad: 80%, good: 0.5%}}"
    )
    chance = Chance(0.0, Burst(0.01, 0.3, 0.8, 0.005), 1.0, 1.0, 1_000_000, 0.01, 0.02, 0.001)
    assert told == Wire((), chance, chance, seed=7)
    assert of("{loss: {enter: 1%, leave: 30%}, sent: {loss: 5%}}") == Wire(
        (), Chance(loss=0.05), Chance(burst=Burst(0.01, 0.3))
    )


def test_a_script_is_steps_of_this_cable() -> None:
    """In their order; from web is what web sends."""
    lines = ["drop 2nd tcp data from web", "delay 1st udp to web by 200 ms"]
    told = of(f"{{script: {lines}}}")
    assert told is not None
    assert list(told.script) == [parse_step(line, "web") for line in lines]


def test_engines() -> None:
    """The project's own unless netem is asked for."""
    assert of("{engine: netem, loss: 1%}") == Wire((), *(Chance(loss=0.01),) * 2, engine="netem")
    assert of("{engine: user}") == Wire()


def test_an_interface_has_the_same() -> None:
    """A node's `wire` is short for that of its only interface."""
    long = wire("nodes: {client: , web: {interfaces: {lan: {wire: {loss: 5%}}}}}")
    assert long == of("{loss: 5%}") is not None


def test_several_cables() -> None:
    """Each of a node's interfaces has its own."""
    text = (
        "networks: {lan: , dmz: }\nnodes:\n  r: {interfaces: {lan: {wire: {loss: 5%}}, dmz: }}\n"
        "  a: {interfaces: {lan: }}\n  b: {interfaces: {dmz: }}\n"
    )
    node = parse(text, file="lab.yaml", directory=Path("/nowhere")).node("r")
    assert [one.wire is not None for one in node.interfaces] == [True, False]


def test_a_kind_and_a_count() -> None:
    """A kind's script says `sent`, for it has no name; a count's may say `{n}`; keys merge as everywhere."""
    text = """
kinds: {far: {wire: {delay: 20 ms, script: [drop 1st tcp sent]}}}
nodes:
  a: {kind: far, wire: {loss: 5%}}
  b: {count: 2, wire: {script: ["drop 1st tcp from b-{n}"]}}
"""
    told = wire(text, "a")
    assert told is not None
    assert (told.sent, told.script) == (
        Chance(loss=0.05, delay=0.02),
        (parse_step("drop 1st tcp sent", "a"),),
    )
    assert [wire(text, name) for name in ("b-1", "b-2")] == [
        Wire((parse_step("drop 1st tcp sent", "b"),))
    ] * 2


def test_it_merges_with_an_address(tmp_path: Path) -> None:
    """A file gives a wire to a node of the one that it extends, in the short form or the long one."""
    (tmp_path / "base.yaml").write_text("nodes: {client: , web: {address: 10.0.0.80}}")
    (tmp_path / "long.yaml").write_text("nodes: {client: , web: {interfaces: {lan: 10.0.0.80}}}")
    for base in ("base", "long"):
        for says in ("wire: {loss: 5%}", "interfaces: {lan: {wire: {loss: 5%}}}"):
            text = f"extends: {base}.yaml\nnodes: {{web: {{{says}}}}}"
            one = parse(text, file="lab.yaml", directory=tmp_path).node("web").interfaces[0]
            assert (str(one.address), one.wire) == ("10.0.0.80", Wire((), *(Chance(loss=0.05),) * 2))


def test_a_wire_can_be_taken_away(tmp_path: Path) -> None:
    """By null, as everything."""
    (tmp_path / "base.yaml").write_text("nodes: {client: , web: {wire: {loss: 5%}}}")
    text = "extends: base.yaml\nnodes: {web: {wire: null}}"
    assert parse(text, file="lab.yaml", directory=tmp_path).node("web").interfaces[0].wire is None


@pytest.mark.parametrize("quote", ['"', "'", ""])
def test_a_caret_stands_within_the_step(quote: str) -> None:
    """Quotes or none, it is below the word that is wrong."""
    with pytest.raises(InputError) as caught:
        of(f"{{script: [{quote}drop seccond tcp{quote}]}}")
    (fault,) = caught.value.faults
    assert fault.text[fault.place.column - 1 :][: fault.width] == "seccond"


def test_settings_word_by_word() -> None:
    """As on a command line: a chance of loss takes the place of one in bursts."""
    chance = with_setting(Chance(burst=Burst(0.1, 0.2)), "loss", "5%")
    assert chance == Chance(loss=0.05)
    assert with_setting(Chance(), "rate", "1 Mbit/s") == Chance(rate=1_000_000)
    assert with_setting(Chance(), "los", "5%") == Unfit("unknown setting 'los'", "did you mean 'loss'?")
    assert with_setting(Chance(), "loss", "5") == Unfit("'5' is no chance", "write 5%")


def test_settings_that_do_not_go_together() -> None:
    """Which is to blame, and why; netem reorders only what it delays."""
    assert check(Chance(delay=0.01, jitter=0.01, reorder=0.1), "netem") is None
    assert check(Chance(reorder=0.1), "user") is None
    for chance, engine, name in (
        (Chance(jitter=0.01), "user", "jitter"),
        (Chance(delay=0.01, jitter=0.02), "user", "jitter"),
        (Chance(reorder=0.1), "netem", "reorder"),
    ):
        wrong = check(chance, engine)
        assert wrong is not None
        assert wrong[0] == name


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("{sent: {script: [drop 1st tcp]}}", "unknown key 'script' — write it into wire: itself"),
        ("{delay: 50 msec, jitter: 60 ms}", "unknown unit 'msec' — known here: us, ms, s"),
        (
            "{script: [drop 1st tcp, drop 1st  tcp]}",
            "this step is there twice, and both mean the same packet",
        ),
    ],
)
def test_one_slip_is_one_fault(says: str, told: str) -> None:
    """What it says is true, also of the setting that varies one which has a fault."""
    with pytest.raises(InputError) as caught:
        of(says)
    (fault,) = caught.value.faults
    assert told in f"{fault.what} — {fault.hint}"
