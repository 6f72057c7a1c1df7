"""A lab ends when it must, leaves nothing, and goes on when it can: each process killed, at many moments."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netlab import lab, topology
from netlab.backends.inside import daemons
from netlab.errors import LabError, ServiceError, TimeLimitError, UsageError
from netlab.lab.record import claim
from netlab.plan import make_plan
from tests.system import harness

pytestmark = harness.requires("curl", "dig", "hostname", "pgrep", "ping", "setsid")

# How each is found, from the pid of the lab's owner.
VICTIMS: dict[str, Callable[[int], int]] = {
    "owner": lambda owner: owner,
    "keeper": harness.keeper_of,
    "supervisor": harness.init_of,
}


def kill(pid: int) -> None:
    """Kill a process, as nothing can be prepared for."""
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_killed_lab_leaves_nothing(tmp_path: Path, victim: str) -> None:
    """SIGKILL of the owner, the keeper or PID 1 takes all processes, namespaces, links, mounts and files."""
    with harness.own(tmp_path) as started:
        started.wait_up()
        assert len(started.footprint.namespaces) >= 6, "the test must see what it is to miss"
        assert len(harness.marked(started.footprint.token)) >= 6
        kill(VICTIMS[victim](started.pid))
        if victim == "owner":
            started.process.wait()
        else:
            started.process.communicate("")
        started.footprint.assert_gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signalled_owner_leaves_nothing(tmp_path: Path, number: int) -> None:
    """Signals that end a process, or raise KeyboardInterrupt in it, end its lab."""
    with harness.own(tmp_path) as started:
        started.wait_up()
        started.process.send_signal(number)
        started.process.wait(harness.PATIENCE)
        started.footprint.assert_gone()


@pytest.mark.parametrize("milliseconds", [0, 20, 60, 150])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_while_it_builds(tmp_path: Path, milliseconds: int, number: int) -> None:
    """A star of 200 nodes whose maker is killed or interrupted at several moments of its start is gone."""
    with harness.own(tmp_path, harness.write_star(tmp_path, 200), "n7") as started:
        assert harness.wait_for(lambda: harness.keepers(started.pid))
        # Not waiting for a condition: a moment in the middle is the point, and any will do.
        time.sleep(milliseconds / 1000)
        started.footprint.see()
        started.process.send_signal(number)
        assert started.process.wait(harness.PATIENCE) != 0
        started.footprint.assert_gone()


@pytest.mark.parametrize("milliseconds", [0, 1, 5])
def test_killed_while_it_stops(tmp_path: Path, milliseconds: int) -> None:
    """An owner that is killed while it stops its lab leaves nothing either."""
    with harness.own(tmp_path, harness.write_star(tmp_path, 200), "n7") as started:
        started.wait_up()
        assert started.process.stdin is not None
        started.process.stdin.close()
        time.sleep(milliseconds / 1000)  # as above: any moment will do
        started.process.kill()
        started.process.wait()
        started.process.stdin = None
        started.footprint.assert_gone()


def test_an_ordinary_stop_leaves_nothing(tmp_path: Path) -> None:
    """When the owner has stopped its lab and ended by itself, without a word, nothing is left."""
    with harness.own(tmp_path) as started:
        started.wait_up()
        _, errors = started.process.communicate("")
        assert (started.process.returncode, errors) == (0, "")
        started.footprint.assert_gone()


def test_stop_waits_for_nobody_else() -> None:
    """A child of the owner's that holds the lab's socket too does not keep the lab alive."""
    running = lab.start(harness.web_plan())
    init = harness.init_of(os.getpid())
    child = subprocess.Popen(["sleep", "60"], pass_fds=_descriptors())
    try:
        running.stop()
        running.stop()  # harmless
        assert harness.ended(init)
    finally:
        child.kill()
        child.wait()


def _descriptors() -> list[int]:
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 — names are wanted
        try:
            os.fstat(int(name))
        except OSError:  # that of the listing itself
            continue
        found.append(int(name))
    return [descriptor for descriptor in found if descriptor > 2]


# -- the command line --------------------------------------------------------------------------------


def run_command(token: str, out: Path, seconds: str = "") -> list[str]:
    """Return `netlab run … -- sleep`, the sleep carrying the token."""
    limit = ["--time-limit", seconds] if seconds else []
    target = [str(harness.WEB), "client", "--", "sleep", token]
    return [*harness.NETLAB, "run", "--out", str(out), *limit, *target]


@pytest.fixture
def sleeping(tmp_path: Path) -> Iterator[harness.Started]:
    """`netlab run` with a command that does not end; it runs."""
    token = harness.make_token()
    argv = run_command(token, tmp_path / "out")
    with harness.started(argv, tmp_path, harness.web_plan(), token, start_new_session=True) as started:
        wait_sleeping(token)
        started.footprint.see()
        yield started


def wait_sleeping(token: str) -> None:
    """Wait until the command runs in its node."""
    command = f"sleep\0{token}\0".encode()
    found = lambda: any(command == harness.read(pid, "cmdline") for pid in harness.marked(token))  # noqa: E731
    assert harness.wait_for(found)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_command_line_leaves_nothing(sleeping: harness.Started, number: int) -> None:
    """However `netlab run` is ended, its lab ends; by a signal that it sees, with the status of a shell."""
    sleeping.process.send_signal(number)
    status = sleeping.process.wait(harness.PATIENCE)
    assert status == (-number if number == signal.SIGKILL else 128 + number)
    sleeping.footprint.assert_gone()


def test_ctrl_c_reaches_the_command(sleeping: harness.Started) -> None:
    """SIGINT to the foreground group, without a terminal: the command gets it, and its status is told."""
    os.killpg(sleeping.pid, signal.SIGINT)
    assert sleeping.process.wait(harness.PATIENCE) == 128 + signal.SIGINT
    sleeping.footprint.assert_gone()


@pytest.mark.parametrize("how", ["ctrl-c", "closed"])
def test_a_terminal(tmp_path: Path, how: str) -> None:
    """Ctrl-C typed at a terminal ends the command with 130; a terminal that is closed ends everything."""
    token = harness.make_token()
    master, slave = pty.openpty()
    argv = ["setsid", "--ctty", "--wait", *run_command(token, tmp_path / "out")]
    streams = {"stdin": slave, "stdout": slave, "stderr": slave, "text": False}
    with harness.started(argv, tmp_path, harness.web_plan(), token, **streams) as started:
        os.close(slave)
        wait_sleeping(token)
        started.footprint.see()
        if how == "ctrl-c":
            os.write(master, b"\x03")
            assert started.process.wait(harness.PATIENCE) == 130
        os.close(master)
        started.process.wait(harness.PATIENCE)
        started.footprint.assert_gone()


def test_a_time_limit_on_the_command_line(tmp_path: Path) -> None:
    """`--time-limit` ends the command: status 124, a sentence with the limit, and nothing left."""
    token = harness.make_token()
    argv = run_command(token, tmp_path / "out", "0.3")
    with harness.started(argv, tmp_path, harness.web_plan(), token) as started:
        _, errors = started.process.communicate(timeout=harness.PATIENCE)
        assert started.process.returncode == 124
        assert "after 0.3 s, its time limit" in errors
        started.footprint.assert_gone()


# -- labs that outlive their maker -------------------------------------------------------------------

UP = """
import sys
from pathlib import Path
from netlab import lab, topology
from netlab.plan import make_plan
lab.start_detached(make_plan(topology.load(Path(sys.argv[2]))), sys.argv[3])
print("up", flush=True)
"""


@pytest.mark.parametrize("how", ["stop", "keeper", "supervisor"])
def test_a_detached_lab(tmp_path: Path, how: str) -> None:
    """It outlives its maker, is found by name, ends by `stop` or a SIGKILL, and is then unknown."""
    token, name = harness.make_token(), f"t{os.getpid()}-{how}"
    argv = [harness.NETLAB[0], "-c", UP, token, str(harness.WEB), name]
    with harness.started(argv, tmp_path, harness.web_plan(), token) as started:
        started.footprint.called = name
        started.wait_up()
        (keeper,) = [pid for pid in harness.marked(token) if harness.read(pid, "comm") == b"netlab-keeper\n"]
        (init,) = harness.children(keeper)
        assert started.process.wait(harness.PATIENCE) == 0
        running = lab.attach(name)
        assert name in lab.running()
        assert running.output("client", ["hostname"]).stdout == "client\n"
        with pytest.raises(UsageError, match="is running already"):
            lab.start_detached(harness.web_plan(), name)
        assert running.output("client", ["hostname"]).stdout == "client\n"
        if how == "stop":
            running.stop()
        else:
            kill(keeper if how == "keeper" else init)
        started.footprint.assert_gone()
        with pytest.raises(UsageError, match="no lab named"):
            lab.attach(name)


# -- what a lab survives -----------------------------------------------------------------------------


def test_a_killed_command_is_told(tmp_path: Path) -> None:
    """A node's process that is killed from outside gives 137, and the lab goes on."""
    token = harness.make_token()
    with lab.start(harness.web_plan()) as running:
        command = running.launch("client", ["sleep", token])
        assert harness.wait_for(lambda: harness.marked(token))
        kill(harness.marked(token)[0])
        assert command.wait(harness.PATIENCE) == 137
        command.close()
        assert running.output("client", ["dig", "+short", "www.lab.test"]).stdout == "10.0.0.80\n"


@pytest.mark.parametrize(("which", "who"), [(1, "service dns of node dns"), (2, "service http of node web")])
def test_a_killed_service_fails_the_run(tmp_path: Path, which: int, who: str) -> None:
    """`finish` names the service and the signal, with the end of its log; the other nodes have gone on."""
    record = claim(tmp_path / "out", "web")
    with lab.start(harness.web_plan(), record=record) as running:
        kill(harness.children(harness.init_of(os.getpid()))[which])
        assert harness.wait_for(lambda: _ended(running))
        assert running.output("client", ["hostname"]).returncode == 0
        with pytest.raises(ServiceError, match=f"{who} was killed by SIGKILL while the lab ran") as caught:
            running.finish()
        assert any("serves at 10.0.0." in line for line in caught.value.log)
    assert record.capture.stat().st_size > 0


def _ended(running: lab.Lab) -> list[object]:
    return list(running._session.info()["ended"])


def test_a_killed_recorder_fails_the_run(tmp_path: Path) -> None:
    """A record that is not whole is not passed off as one."""
    with lab.start(harness.web_plan(), record=claim(tmp_path / "out", "web")) as running:
        kill(harness.children(harness.init_of(os.getpid()))[0])
        assert harness.wait_for(lambda: _ended(running))
        assert running.output("client", ["hostname"]).returncode == 0
        with pytest.raises(ServiceError, match="the recorder was killed by SIGKILL"):
            running.finish()


def test_a_killed_interpreter_starts_anew(tmp_path: Path) -> None:
    """The script that ran says so; the next one runs."""
    (tmp_path / "ready.py").write_text("print('ready')\n")
    (tmp_path / "long.py").write_text("import time\nprint('on', flush=True)\ntime.sleep(1000)\n")
    with lab.start(harness.web_plan(), visible=[tmp_path]) as running:
        assert running.output("client", [str(tmp_path / "ready.py")]).stdout == "ready\n"
        reading, writing = os.pipe()
        script = running.launch("client", [str(tmp_path / "long.py")], stdio=(0, writing, 2))
        assert os.read(reading, 3) == b"on\n"
        kill(harness.children(harness.init_of(os.getpid()))[2])
        with pytest.raises(LabError, match="interpreter was killed"):
            script.wait(harness.PATIENCE)
        script.close()
        os.close(writing)
        assert os.read(reading, 1) == b"", "the orphan must have ended with its conversation"
        os.close(reading)
        assert running.output("client", [str(tmp_path / "ready.py")]).stdout == "ready\n"


# -- services and limits -----------------------------------------------------------------------------


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """A service that cannot start fails the start, with its sentence and its log, and leaves no process."""
    plan = harness.web_plan()
    web = plan.node("web")
    twice = replace(web, services=web.services * 2)
    nodes = tuple(twice if node is web else node for node in plan.nodes)
    with pytest.raises(ServiceError, match="service http of node web ended before it was ready") as caught:
        lab.start(replace(plan, nodes=nodes))
    assert any("TCP port 80 of 0.0.0.0 is taken" in line for line in caught.value.log)
    assert harness.soon(lambda: not harness.keepers(os.getpid()))


def test_a_service_that_never_becomes_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start gives up after a stated time, names the service, and leaves no process."""

    class Stuck:
        def bind(self) -> None:
            while True:
                signal.pause()

    def make(*_: object) -> Stuck:
        return Stuck()

    monkeypatch.setitem(daemons.ENGINES, ("http", "builtin"), make)
    monkeypatch.setattr(daemons, "READY_SECONDS", 0.3)
    with pytest.raises(ServiceError, match=r"service http of node web was not ready after 0\.3 s"):
        lab.start(harness.web_plan())
    assert harness.soon(lambda: not harness.keepers(os.getpid()))


@pytest.mark.parametrize("script", ["sleep 1000", "trap '' TERM; sleep 1000 & wait; wait; sleep 1000"])
def test_a_time_limit_ends_a_command(script: str) -> None:
    """One that hangs, and one that ignores SIGTERM, are gone with their children when the error is raised."""
    with lab.start(harness.web_plan()) as running:
        with pytest.raises(TimeLimitError, match=r"sh was ended in node client after 0\.3 s"):
            running.run("client", ["sh", "-c", script], seconds=0.3)
        assert running.output("client", ["pgrep", "sleep"]).stdout == ""


def test_a_time_limit_of_a_script_that_has_not_started(tmp_path: Path) -> None:
    """A script whose time is over while Scapy is still imported is ended at once, and never runs."""
    (tmp_path / "mark.py").write_text("open('/tmp/ran', 'w')\n")
    (tmp_path / "done.py").write_text("import os\nprint(os.path.exists('/tmp/ran'))\n")
    with lab.start(harness.web_plan(), visible=[tmp_path]) as running:
        with pytest.raises(TimeLimitError, match=r"after 0\.01 s, its time limit"):
            running.run("client", [str(tmp_path / "mark.py")], seconds=0.01)
        assert running.output("client", [str(tmp_path / "done.py")]).stdout == "False\n"


FULL = """
import os, sys
from pathlib import Path
from netlab.kernel import syscalls as sc
sc.unshare(sc.CLONE_NEWNS)
sc.mount("none", "/", flags=sc.MS_REC | sc.MS_PRIVATE)
sc.mount("tmpfs", sys.argv[2], "tmpfs", data="size=64k")
from netlab.cli import run
out = ["--out", sys.argv[2] + "/out"]
fetch = ["curl", "-so", "/dev/null", *["http://www.lab.test/"] * 9]
sys.exit(run(["run", *out, sys.argv[3], "client", "--", *fetch]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system here")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """A record that no longer fits gives a sentence and a status, promptly, and leaves nothing."""
    disk = tmp_path / "disk"
    disk.mkdir()
    token = harness.make_token()
    argv = [harness.NETLAB[0], "-c", FULL, token, str(disk), str(harness.WEB)]
    with harness.started(argv, tmp_path, harness.web_plan(), token) as started:
        _, errors = started.process.communicate(timeout=harness.PATIENCE)
        assert started.process.returncode in (1, 3), errors
        assert "No space left on device" in errors
        assert "Traceback" not in errors
        started.footprint.assert_gone()


def test_a_large_record_is_finished(tmp_path: Path) -> None:
    """A lab with more namespaces than select(2) knows descriptors completes its record."""
    plan = make_plan(topology.load(harness.write_star(tmp_path, 1000)))
    record = claim(tmp_path / "out", "star")
    with lab.start(plan, record=record) as running:
        assert running.output("n1", ["ping", "-c1", "-W5", "10.0.3.249"]).returncode == 0
        running.finish()
    assert '"n999"' in (record.path / "kernel.json").read_text()
