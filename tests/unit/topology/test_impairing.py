"""Words of a command line become a wire, or a sentence that says what is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlab.errors import InputError, NetlabError, UsageError
from netlab.topology.impairing import beginnings, impaired
from netlab.topology.steps import words
from netlab.topology.wires import Burst, Chance, Wire

LOSS = Chance(loss=0.05)


def script(*said: str) -> list[str]:
    """Return the steps of the wire that words ask for, in words again."""
    return [words(step, "web") for step in impaired(None, said, "web").script]


def test_settings() -> None:
    """They are those of a file, for both directions; the seed and the engine too."""
    wire = impaired(None, ["loss=5%", "delay=20ms", "rate=1 Mbit/s", "seed=7", "engine=netem"], "web")
    both = Chance(loss=0.05, delay=0.02, rate=1_000_000)
    assert wire == Wire((), both, both, 7, "netem")


@pytest.mark.parametrize(
    "said",
    [
        ["drop 2nd tcp data", "delay each udp by 20 ms"],
        ["drop", "2nd", "tcp", "data", "delay", "each", "udp", "by", "20 ms"],
        ["loss=5%", "drop", "2nd", "tcp", "data", "jitter=1ms", "delay each udp by 20 ms", "delay=2ms"],
    ],
)
def test_steps_in_one_word_or_several(said: list[str]) -> None:
    """A step begins with what is done; settings may stand between."""
    assert script(*said) == ["drop 2nd tcp data", "delay each udp by 20 ms"]


@pytest.mark.parametrize(
    ("word", "burst"),
    [
        ("{enter:1%,leave:30%}", Burst(0.01, 0.3)),
        ("{enter: 1%, leave: 30%, bad: 80%, good: 2%}", Burst(0.01, 0.3, 0.8, 0.02)),
    ],
)
def test_bursts(word: str, burst: Burst) -> None:
    """They are written as in a file; what comes after the equals sign is one word."""
    assert impaired(None, [f"loss={word}"], "web").sent == Chance(burst=burst)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("{enter:1%}", "loss: leave is missing — write 'loss={enter:1%,leave:30%}'"),
        ("{enter:1%", "loss: '{enter:1%' has no end — write 'loss={enter:1%,leave:30%}'"),
        ("{enter:1,leave:3%}", "loss: enter: '1' is no chance — write 1%"),
        ("{enter:1%,enter:3%}", "loss: enter is there twice — write it once"),
        ("{entre:1%}", "loss: unknown key 'entre' — did you mean 'enter'?"),
    ],
)
def test_bursts_that_are_none(word: str, sentence: str) -> None:
    """The word is told, and what to write."""
    with pytest.raises(UsageError) as raised:
        impaired(None, [f"loss={word}"], "web")
    assert str(raised.value).startswith(sentence)


def test_bursts_that_a_shell_took_apart() -> None:
    """Braces without quotes are two words to it: what to write is told."""
    with pytest.raises(UsageError, match="write 'loss="):
        impaired(None, ["loss=enter:1%", "loss=leave:30%"], "web")


def test_what_is_said_is_all() -> None:
    """What was before goes, but for the seed, and is kept where only one direction is meant."""
    before = impaired(None, ["loss=5%", "drop 1st tcp", "seed=7"], "web")
    assert impaired(before, ["delay=1ms"], "web") == Wire((), Chance(delay=0.001), Chance(delay=0.001), 7)
    sent = impaired(before, ["delay=1ms"], "web", ["sent"])
    assert sent == replace(before, sent=Chance(delay=0.001))
    assert (sent.received, sent.script) == (LOSS, before.script)
    steps = impaired(before, ["drop 2nd tcp"], "web", ["received"])
    assert (steps.sent, steps.received) == (LOSS, LOSS)
    assert [step.nth for step in steps.script] == [2]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (["loss=150%"], "loss: a chance of 150% is out of range — write one from 0% to 100%"),
        (["los=1%"], "unknown setting 'los' — did you mean 'loss'?"),
        (["loss=1%", "loss=2%"], "loss is there twice — write it once"),
        (["seed=x"], "seed: 'x' is none — write a number from 0 to 18446744073709551615"),
        (["engine=netm"], "unknown engine 'netm' — did you mean 'netem'?"),
        (["engine=netem", "drop 1st tcp"], "netem knows no script"),
        (["jitter=1ms"], "jitter: jitter without a delay that it could vary — write delay= beside it"),
        (["loss 5%"], "loss is a setting, and lacks its = — write loss=5%"),
        (["loss", "5%"], "loss is a setting, and lacks its = — write loss=5%"),
        (["delay", "20 ms"], "delay is a setting, and lacks its = — write delay=20ms"),
        (["delay=20", "ms"], "delay: 'ms' stands apart — write delay=20ms"),
        (["delay=20", "ms", "drop 1st tcp"], "delay: 'ms' stands apart — write delay=20ms"),
        (["script=x"], "a script is no setting: its steps stand alone — write one so:"),
        (["drop 1st tcp", "drop", "1st", "tcp"], "drop 1st tcp: this step is there twice"),
        ([""], "nothing is said of the wire — write what it is to do, as loss=5%"),
    ],
)
def test_mistakes(said: list[str], sentence: str) -> None:
    """Each has its sentence, with what to do."""
    with pytest.raises(UsageError) as error:
        impaired(None, said, "web")
    assert str(error.value).startswith(sentence)


def test_netem_that_was_there_before() -> None:
    """Who has not written it is told what to write instead; who has, to leave it out."""
    before = impaired(None, ["delay=20ms", "engine=netem"], "web")
    for said, cure in (
        (["drop 1st tcp"], "add engine=user"),
        (["reorder=1%"], "write delay= beside it, or add engine=user"),
        (["drop 1st tcp", "engine=netem"], "leave out engine=netem"),
    ):
        with pytest.raises(UsageError) as error:
            impaired(before, said, "web")
        assert str(error.value).endswith(f" — {cure}")
    assert impaired(before, ["drop 1st tcp", "engine=user"], "web").engine == "user"


def test_a_mistake_in_a_step_shows_its_place() -> None:
    """As one in a file does."""
    with pytest.raises(InputError) as error:
        impaired(None, ["drop", "2dn", "tcp"], "web")
    assert str(error.value).splitlines()[0].startswith("command line:1:6: unknown word '2dn' — ")
    assert str(error.value).splitlines()[1:] == ["    drop 2dn tcp", "         ^^^"]


def test_beginnings() -> None:
    """Each can begin a word that is understood as far."""
    for word in beginnings():
        with pytest.raises(NetlabError) as error:
            impaired(None, [word], "web")
        assert "unknown setting" not in str(error.value)
        assert "unknown action" not in str(error.value)
