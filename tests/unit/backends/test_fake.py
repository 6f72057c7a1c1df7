"""The fake is a backend that works anywhere, keeps to itself, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import select
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netlab import topology
from netlab.backends import BACKENDS
from netlab.backends.fake import FakeBackend, Session
from netlab.backends.protocol import Backend, Request, Rewire, Running
from netlab.errors import LabError, UsageError
from netlab.kernel.process import Command
from netlab.lab import Lab
from netlab.lab.record import claim, read_kernel
from netlab.plan import make_plan
from netlab.plan.model import Plan
from netlab.report.pcapng import Capture, capture_of, read_capture

PATIENCE = 30.0
TOPOLOGY = """
name: pair
networks: {lan: 10.0.0.0/24, wan: 10.0.1.0/24}
nodes:
  left: {interfaces: {lan: 10.0.0.1}}
  right: {interfaces: {lan: 10.0.0.2, wan: 10.0.1.2}}
  far: {interfaces: {wan: 10.0.1.3}}
"""


@pytest.fixture
def plan() -> Plan:
    """Plan three nodes, of which one has two interfaces."""
    return make_plan(topology.parse(TOPOLOGY, file="pair.yaml", directory=Path("/")))


@pytest.fixture
def session(plan: Plan) -> Iterator[Session]:
    """Give a fake lab."""
    made = FakeBackend().start(Request(plan))
    yield made
    made.close()


def test_wires(session: Session) -> None:
    """They are asked for, listed and taken away, though nothing passes them."""
    asked = Rewire("far", ("loss=5%", "seed=7"))
    assert [str(change) for change in session.wire(asked)] == ["far: wire added (loss 5%; seed 7)"]
    cables = session.wires()["cables"]
    assert [cable["wire"] is None for cable in cables] == [True, True, True, False]
    assert cables[-1]["words"] == "loss 5%; seed 7"
    with pytest.raises(UsageError, match="several interfaces"):
        session.wire(Rewire("right", ("loss=5%",)))
    assert [str(change) for change in session.wire(Rewire("far"))] == ["far: wire removed (loss 5%; seed 7)"]


def shell(line: str) -> Command:
    """Make a command of a shell's line."""
    return Command(("sh", "-c", line), "/", {"PATH": os.environ["PATH"]})


def null() -> int:
    """Open what is empty, and takes everything."""
    return os.open(os.devnull, os.O_RDWR)


def started(session: Session, line: str) -> tuple[Running, int]:
    """Start a shell's line; return it, and where its output is read."""
    reading, writing = os.pipe()
    nothing = null()
    running = session.run("left", shell(line), (nothing, writing, nothing))
    os.close(writing)
    os.close(nothing)
    return running, reading


def to_end(reading: int) -> bytes:
    """Read until nobody can write there any more."""
    told = b""
    while select.select([reading], [], [], PATIENCE)[0]:
        data = os.read(reading, 65536)
        if not data:
            os.close(reading)
            return told
        told += data
    pytest.fail(f"somebody still holds the other end: {told!r}")


def test_it_is_a_backend_that_users_cannot_choose(plan: Plan) -> None:
    """It has the protocol's verbs, as the type checker sees too, and no name in a topology."""
    backend: Backend = FakeBackend()
    session = backend.start(Request(plan))
    assert session.shares_machine
    session.close()
    assert not [name for name, module in BACKENDS.items() if "fake" in name + module]


def test_what_stands_above_works_with_it(session: Session) -> None:
    """A Lab over it runs commands with the environment of their node, and stops."""
    with Lab(session, "fake") as running:
        assert running.nodes == ("left", "right", "far")
        done = running.output("right", ["sh", "-c", "cat; echo $NETLAB_NODE of $NETLAB_LAB"], given=b"in ")
        assert (done.returncode, done.stdout, done.stderr) == (0, "in right of pair\n", "")
        with pytest.raises(UsageError, match="no node 'lift' — did you mean 'left'"):
            running.launch("lift", ["true"])
    with pytest.raises(LabError, match="the lab has ended"):
        session.info()


def test_streams_that_are_each_others_numbers(session: Session) -> None:
    """Standard output and error may be swapped, and the caller's own stay as they were."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        saved = os.dup(1), os.dup(2)
        try:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            running = session.run("left", shell("echo out; echo err >&2"), (0, 2, 1))
            assert running.wait(PATIENCE) == 0
        finally:
            for number, descriptor in enumerate(saved, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
        running.close()
        out.seek(0)
        err.seek(0)
        assert (out.read(), err.read()) == (b"err\n", b"out\n")


def test_close_kills_what_ended_commands_have_left(session: Session) -> None:
    """A child in the background outlives its command, and not the lab."""
    running, reading = started(session, "sleep 1000 & echo left")
    assert running.wait(PATIENCE) == 0
    running.close()
    assert os.read(reading, 100) == b"left\n"
    assert not select.select([reading], [], [], 0.1)[0]
    session.close()
    assert to_end(reading) == b""


def test_close_reaps(session: Session) -> None:
    """No zombie stays, be the commands closed or not, ended or not."""
    reading, writing = os.pipe()
    nothing = null()
    stdio = (nothing, writing, nothing)
    lines = [f"echo $$; {what}" for what in ("true", "exit 3", "exec sleep 1000", "exec sleep 1001")]
    runnings = [session.run("left", shell(line), stdio) for line in lines]
    os.close(writing)
    os.close(nothing)
    told = b""
    while told.count(b"\n") < len(lines):
        told += os.read(reading, 1000)
    for running in runnings[::2]:
        running.close()
    session.close()
    for pid in map(int, told.split()):
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    for running in runnings[1::2]:
        running.close()
    assert to_end(reading) == b""


def test_a_status_that_nobody_asked_for_is_kept(session: Session) -> None:
    """Who waits after the lab's end gets the status of what ended by itself, and LabError for the rest."""
    (done, one), (cut, other) = started(session, "exit 3"), started(session, "sleep 1000")
    assert select.select([done], [], [], PATIENCE)[0]
    session.close()
    assert done.wait(0) == 3
    with pytest.raises(LabError, match="the lab has ended"):
        cut.wait(PATIENCE)
    for number in (signal.SIGTERM, signal.SIGKILL):
        cut.signal(number)  # nobody's
    done.close()
    cut.close()
    to_end(one)
    to_end(other)


def test_a_child_holds_nothing_of_its_callers(session: Session) -> None:
    """A pipe that the caller has open is not held open by what runs, nor by what captures or follows."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    nothing = null()
    runnings = [
        session.run("left", shell("sleep 1000"), (nothing, nothing, nothing)),
        session.packets("left", nothing),
        session.logs("left", nothing, follow=True),
    ]
    os.close(nothing)
    os.close(writing)
    assert to_end(reading) == b""
    for running in runnings:
        running.close()


def captured(session: Session, node: str) -> Capture:
    """Capture in a node, and be told to end at once."""
    reading, writing = os.pipe()
    running = session.packets(node, writing)
    os.close(writing)
    running.signal(signal.SIGTERM)
    assert running.wait(PATIENCE) == 0
    running.close()
    return capture_of(io.BytesIO(to_end(reading)), node)


def test_a_capture_is_whole_and_empty(session: Session) -> None:
    """It has the node's interfaces and the lab's names, no packet, and its end, however soon that comes."""
    for node, interfaces in (("left", ["eth0"]), ("right", ["eth0", "eth1"])):
        capture = captured(session, node)
        assert [interface.name for interface in capture.interfaces] == interfaces
        assert capture.names == {
            "10.0.0.1": "left",
            "10.0.0.2": "right",
            "10.0.1.2": "right",
            "10.0.1.3": "far",
        }
        assert (capture.frames, capture.truncated, capture.dropped) == ((), False, 0)


def test_a_record_is_whole_and_empty(plan: Plan, tmp_path: Path) -> None:
    """What reads a run's record reads this one: all switch ports, no packet, nothing counted."""
    record = claim(tmp_path, "pair")
    with Lab(FakeBackend().start(Request(plan, record.path)), "fake", record) as running:
        running.finish()
        running.finish()
    capture = read_capture(record.capture)
    assert [interface.name for interface in capture.interfaces] == [port.port for port in plan.ports]
    assert (capture.frames, capture.truncated) == ((), False)
    assert read_kernel(tmp_path) == {"left": {}, "right": {}, "far": {}}


def test_logs_are_empty(session: Session) -> None:
    """There are no services that could write any."""
    reading, writing = os.pipe()
    running = session.logs("left", writing, follow=False)
    os.close(writing)
    assert (running.wait(PATIENCE), to_end(reading)) == (0, b"")
    running.close()


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        ("import sys; sys.exit('why')", 1, "why\n"),
        ("def broken(:", 1, "SyntaxError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, ""),
    ],
)
def test_a_script_ends_as_a_program(
    session: Session, tmp_path: Path, text: str, status: int, error: str
) -> None:
    """Its status and what it says at its end are those of Python itself, without a frame of the fake's."""
    path = tmp_path / "script.py"
    path.write_text(text)
    with tempfile.TemporaryFile("w+") as told:
        command = Command((str(path),), "/", {})
        running = session.run("left", command, (0, 1, told.fileno()), script=True)
        assert running.wait(PATIENCE) == status
        running.close()
        told.seek(0)
        said = told.read()
    assert error in said
    assert "<string>" not in said


def test_the_command_of_a_script_is_this_python(session: Session, tmp_path: Path) -> None:
    """It runs in the interpreter of the tests, whatever PATH has, and sees what lies beside it alone."""
    (tmp_path / "script.py").write_text("import sys\nprint(sys.executable, sys.path[0], '' in sys.path)\n")
    with tempfile.TemporaryFile("w+") as told:
        command = Command(("script.py",), str(tmp_path), {"PATH": ""})
        running = session.run("left", command, (0, told.fileno(), 2), script=True)
        assert running.wait(PATIENCE) == 0
        running.close()
        told.seek(0)
        assert told.read() == f"{sys.executable} {tmp_path} False\n"


def test_a_signal_from_another_thread(session: Session) -> None:
    """A thread's wait ends with what another one signals, and with the lab."""
    told: list[object] = []
    (one, first), (two, second) = started(session, "sleep 1000"), started(session, "sleep 1000")

    def wait(running: Running) -> None:
        try:
            told.append(running.wait(PATIENCE))
        except LabError as error:
            told.append(error.what)

    acts: list[Callable[[], None]] = [lambda: one.signal(signal.SIGTERM), session.close]
    for running, act in zip((one, two), acts, strict=True):
        thread = threading.Thread(target=wait, args=[running])
        thread.start()
        act()
        thread.join(PATIENCE)
        running.close()
    assert told == [143, "the lab has ended"]
    to_end(first)
    to_end(second)


def test_names_are_one_backends(plan: Plan) -> None:
    """A name is known to the backend that gave it, and free again when its lab has ended."""
    one, other = FakeBackend(), FakeBackend()
    for name in ("b", "a"):
        one.start_detached(Request(plan), name)
    assert (one.names(), other.names()) == (["a", "b"], [])
    one.attach("a").close()
    assert one.names() == ["b"]
    one.start_detached(Request(plan), "a")
    for name in one.names():
        one.attach(name).close()
