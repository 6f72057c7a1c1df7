"""What a lab asks of its backend: which one, and with what environment a command starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from netlab import backends, lab
from netlab.backends.fake import FakeBackend
from netlab.backends.protocol import Request, Session
from netlab.errors import LabError, UsageError
from netlab.kernel.process import Command
from netlab.plan import make_plan
from netlab.plan.model import Plan
from netlab.topology import parse
from netlab.topology.vocabulary import BACKENDS

OURS = {"NETLAB_LAB": "lab", "NETLAB_NODE": "a", "NETLAB_SEED": "2012"}


class Recording:
    """A session that runs nothing, and keeps what it was asked to run."""

    def __init__(self, *, shares_machine: bool, out: str | None = None) -> None:
        self.shares_machine = shares_machine
        self.out = out
        self.asked: list[Command] = []

    def info(self) -> dict[str, Any]:
        """Tell of a lab with one node."""
        return {"name": "lab", "seed": 2012, "nodes": {"a": {}}, "out": self.out, "ended": []}

    def run(self, node: str, command: Command, stdio: Sequence[int], *, script: bool = False) -> None:
        """Keep a command."""
        self.asked.append(command)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, FakeBackend]]:
    """Stand in for the backends: a lab `one` runs in netns, `two` in docker, `both` in either."""
    each = {"netns": FakeBackend(), "docker": FakeBackend()}
    for backend, name in (("netns", "one"), ("netns", "both"), ("docker", "two"), ("docker", "both")):
        each[backend].start_detached(Request(plan_of(backend)), name)
    monkeypatch.setattr(backends, "BACKENDS", dict.fromkeys(each, ""))
    monkeypatch.setattr(backends, "find", each.__getitem__)
    yield each
    for running in (session for backend in each.values() for session in backend.labs.values()):
        running.close()


def plan_of(backend: str) -> Plan:
    """Plan a lab of one node."""
    topology = parse(f"backend: {backend}\nnodes: {{a: }}", file="lab.yaml", directory=Path("/nowhere"))
    return make_plan(topology)


def test_each_word_for_a_backend_has_one() -> None:
    """What a topology may say, and what there is, are the same names in the same order."""
    assert list(backends.BACKENDS) == list(BACKENDS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_lab_is_started_by_its_plans_backend(backend: str, made: dict[str, FakeBackend]) -> None:
    """No other is asked; the lab says which it was."""
    with lab.start(plan_of(backend)) as started:
        assert started.info["backend"] == backend
    lab.start_detached(plan_of(backend), "third")
    assert {name for name, each in made.items() if "third" in each.names()} == {backend}
    assert lab.attach("third").info["backend"] == backend


def test_labs_of_all_backends_are_found(made: dict[str, FakeBackend]) -> None:
    """Each lab is listed once, and found by its name in its backend."""
    assert lab.running() == ["both", "one", "two"]
    found = {name: lab.attach(name).info["backend"] for name in lab.running()}
    assert found == {"one": "netns", "two": "docker", "both": "netns"}
    with pytest.raises(UsageError, match="several labs are running: both, one, two"):
        lab.attach()
    with pytest.raises(UsageError, match="no lab named 'three' is running"):
        lab.attach("three")
    for name in ("one", "both", "both"):
        lab.attach(name).stop()
    assert lab.attach().info["backend"] == "docker"


@pytest.mark.parametrize("lasts", [False, True])
def test_a_lab_that_ends_while_it_is_looked_for(
    made: dict[str, FakeBackend], monkeypatch: pytest.MonkeyPatch, lasts: bool
) -> None:
    """It is told as one that does not run; one that stays and gives no answer is told as broken."""
    session = made["netns"].labs["one"]

    def found(backend: FakeBackend, name: str) -> Session:
        if not lasts:
            session.close()
        raise LabError("it gave no answer")

    monkeypatch.setattr(FakeBackend, "attach", found)
    with pytest.raises(
        LabError if lasts else UsageError, match="no answer" if lasts else "no lab named 'one'"
    ):
        lab.attach("one")


def test_the_other_backends_are_not_asked_for_a_lab_that_is_found(
    made: dict[str, FakeBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To reach a lab of namespaces, no container engine is asked for its."""
    monkeypatch.setattr(backends, "find", {"netns": made["netns"]}.__getitem__)
    assert lab.attach("one").info["backend"] == "netns"


def environment_of(session: Recording, **how: Any) -> dict[str, str]:
    """Launch a command and return the environment that it would get."""
    lab.Lab(cast(Session, session), "docker").launch("a", ["true"], **how)
    (command,) = session.asked
    assert command.directory == str(Path.cwd())
    return dict(command.environment)


def test_a_container_gets_what_a_terminal_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the caller's variables only the terminal's and the language's: no PATH, no HOME, no record."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    terminal = {"TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C", "LC_TIME": "C", "NO_COLOR": "1"}
    terminal |= {"COLUMNS": "80", "LINES": "24"}
    machine = {
        "PATH": "/bin",
        "HOME": "/root",
        "LD_PRELOAD": "x",
        "SHELL": "/bin/zsh",
        "LANGUAGE": "de",
        "LC": "x",
    }
    for name, value in (terminal | machine).items():
        monkeypatch.setenv(name, value)
    assert environment_of(Recording(shares_machine=False, out="/out")) == terminal | OURS


def test_a_container_gets_what_it_is_given() -> None:
    """An environment that the caller has put together is passed on as it is, its PATH too."""
    given = {"PATH": "/opt/bin", "HOME": "/opt", "NETLAB_NODE": "another"}
    assert environment_of(Recording(shares_machine=False), environment=given) == given | OURS


def test_a_node_of_the_machine_gets_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the machine's programs go its variables, but for proxies, and the record's directory."""
    monkeypatch.setenv("MINE", "yes")
    monkeypatch.setenv("https_proxy", "http://proxy")
    found = environment_of(Recording(shares_machine=True, out="/out"))
    assert found.items() >= (OURS | {"MINE": "yes", "NETLAB_OUT": "/out"}).items()
    assert "https_proxy" not in found
    assert "/usr/sbin" in found["PATH"].split(os.pathsep)
