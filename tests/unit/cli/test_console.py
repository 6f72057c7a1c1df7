"""How the verbs read seeds and print."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cli import console
from netlab.errors import MachineError, UsageError


@given(st.integers(0, 2**64 - 1))
def test_a_seed_is_a_number(number: int) -> None:
    """Every number of 64 bits is a seed, and stays itself."""
    assert console.Seed().convert(str(number), None, None) == number


@pytest.mark.parametrize("word", ["-1", str(2**64), "x", "", "1.5", "Random"])
def test_what_is_no_seed(word: str) -> None:
    """Anything else is a mistake on the command line."""
    with pytest.raises(click.BadParameter, match=r"a seed lies between|neither a number nor 'random'"):
        console.Seed().convert(word, None, None)


def test_a_seed_of_chance_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`random` is replaced at once by a number, which is told; but not to a shell that completes words."""
    seed = console.Seed().convert("random", None, None)
    assert capsys.readouterr() == ("", f"seed {seed}\n")
    context = click.Context(click.Command("plan"), resilient_parsing=True)
    console.Seed().convert("random", None, context)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [(0, "node", "0 nodes"), (1, "node", "1 node"), (2, "switch", "2 switches"), (1, "switch", "1 switch")],
)
def test_counts(number: int, noun: str, text: str) -> None:
    """A number of things is said as a person would."""
    assert console.count(number, noun) == text


def test_tables_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns begin under each other, and no line has blanks at its end."""
    console.say_table([("lab", "nodes"), ("a-long-name", "x"), ("b", "")])
    assert capsys.readouterr().out == "lab          nodes\na-long-name  x\nb\n"


def test_output_that_cannot_be_written() -> None:
    """A full disk is the machine's; a reader who has left is told apart."""
    with pytest.raises(MachineError, match="cannot write the output: No space left"), console.writing():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(BrokenPipeError), console.writing():
        raise BrokenPipeError


def test_unknown_nodes_get_a_hint() -> None:
    """The nearest name is offered, or all of them."""
    console.require_node("a", ["a", "b"], "here")
    with pytest.raises(UsageError, match=r"x\.yaml has no node 'clint' — did you mean 'client'"):
        console.require_node("clint", ["client", "web"], Path("x.yaml"))


def test_a_first_ctrl_c_is_patient(capsys: pytest.CaptureFixture[str]) -> None:
    """While something is completed, one Ctrl-C is told to wait, a second interrupts."""
    before = signal.getsignal(signal.SIGINT)
    with console.patiently("completing the record"):
        signal.raise_signal(signal.SIGINT)
        assert capsys.readouterr().err == "completing the record; Ctrl-C once more breaks it off\n"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_no_progress_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Where standard error is no terminal, nothing is shown and no alarm is set."""
    before = signal.getsignal(signal.SIGALRM)
    with console.progress("starting 3 nodes …"):
        assert signal.getsignal(signal.SIGALRM) is before
    assert capsys.readouterr() == ("", "")
