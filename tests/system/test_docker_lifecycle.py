"""A lab in containers ends when it must and leaves nothing: its maker killed at every step of the start."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netlab import lab
from netlab.errors import LabError
from netlab.kernel.engine import host
from netlab.report.pcapng import read_capture
from tests.system import containers, harness
from tests.system.commandline import Desk, desk
from tests.system.containers import ANSWERED, SENT, SOON

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

# A node of each kind: a plain one, one that is given files, one with an image of its own.
TOPOLOGY = """
name: kinds
backend: docker
networks: {lan: 10.0.0.0/24}
nodes:
  client: {address: 10.0.0.10}
  web: {address: 10.0.0.80, services: {http: {content: www}}}
  busy: {address: 10.0.0.20, image: netlab-test/tiny}
"""
AT_ONCE = 3

# Becomes, for each line "DOCKER_HOST LOGNAME", a process that starts the lab of argv[1] and kills itself when
# that is up; tells its pid. What they all need is imported once.
MAKER = """
import os, signal, sys
from pathlib import Path
from netlab import lab, topology
from netlab.plan import make_plan
import netlab.backends.docker.guard, netlab.backends.docker.session
plan = make_plan(topology.load(Path(sys.argv[1])))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    host, user = line.split()
    if (pid := os.fork()) == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ |= {"DOCKER_HOST": host, "LOGNAME": user}
        running = lab.start(plan)
        os.kill(os.getpid(), signal.SIGKILL)
    print(pid, flush=True)
"""


@pytest.fixture(scope="module")
def kinds(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file of a topology with a node of each kind."""
    containers.need_image(engine, "netlab-test/tiny")
    directory = tmp_path_factory.mktemp("kinds")
    (directory / "www").mkdir()
    (directory / "www" / "index.html").write_text("of the lab\n")
    file = directory / "kinds.yaml"
    file.write_text(TOPOLOGY)
    return file


# -- the driver is killed at every step ----------------------------------------------------------------


@dataclass
class Death:
    """What became of one driver that was killed when its `number`th request was sent or answered."""

    requests: list[str]
    left: list[str]
    guards: set[int]


class Maker:
    """A process that makes drivers, one after the other."""

    def __init__(self, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAKER, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(harness.ROOT)},
            text=True,
        )

    def driver(self, host: str, user: str) -> int:
        """Make a driver and return its pid."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{host} {user}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self.process.communicate()


def kill_at(maker: Maker, engine: Engine, number: int, moment: str) -> Death:
    """Kill a driver at one moment of its start, wait, and return what is left of its lab."""
    user = containers.make_user()
    driver, guards = 0, set[int]()
    known, answered = threading.Event(), threading.Event()

    def kill(count: int, when: str) -> None:
        if (count, when) == (number, moment) and known.wait(harness.PATIENCE):
            guards.update(harness.children(driver))
            os.kill(driver, signal.SIGKILL)
        if (count, when) == (number, ANSWERED):
            answered.set()

    try:
        with containers.proxy(kill) as between:
            driver = maker.driver(between.host, user)
            known.set()
            assert harness.ended(driver)
            # How long an engine takes for what it was asked is not netlab's; nor whether it answers the dead.
            if number:
                answered.wait(harness.PATIENCE)
            requests = list(between.requests)
            harness.soon(lambda: not containers.of_user(engine, user), SOON)
            left = containers.of_user(engine, user)
            return Death(requests, left, guards)
    finally:
        containers.remove(engine, user)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", [SENT, ANSWERED])
def test_a_driver_killed_at_any_request_leaves_nothing(engine: Engine, kinds: Path, moment: str) -> None:
    """Two seconds after SIGKILL no container, network or volume is there, whichever request it was.

    Slow: it starts a lab for each request until the lab is up, some twenty.
    """
    makers = [Maker(kinds) for _ in range(AT_ONCE)]
    try:
        whole = kill_at(makers[0], engine, 0, moment).requests
        starts = [number for number, line in enumerate(whole, 1) if line.endswith("/start")]
        assert len(starts) == 6, f"five containers, and a word with the lab: {whole}"
        idle, failed, guards = makers.copy(), [], set[int]()

        def attempt(number: int) -> None:
            maker = idle.pop()
            death = kill_at(maker, engine, number, moment)
            idle.append(maker)
            guards.update(death.guards)
            if death.left:
                failed.append(f"killed at request {number}, {death.requests[number - 1]}: {death.left}")

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(attempt, range(1, max(starts) + 1)))
        assert not failed, "\n".join(failed)
        # They go on looking for a while: a request of the driver's may have been under way.
        assert guards
        assert all(harness.ended(guard) for guard in guards)
    finally:
        for maker in makers:
            maker.close()


# -- a lab that is up ----------------------------------------------------------------------------------


@pytest.fixture
def user(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Be a user whom nobody else is; nothing of theirs is left in the end."""
    name = containers.make_user()
    monkeypatch.setenv("LOGNAME", name)
    yield name
    containers.remove(engine, name)


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    """Sit at a desk, as a user whom nobody else is; nothing of theirs is left in the end."""
    with desk(tmp_path) as made:
        yield made
        containers.remove(engine, whose(made))


def whose(place: Desk) -> str:
    """Return the user whose labs those of a desk are."""
    return place.environment["LOGNAME"]


def assert_gone(engine: Engine, user: str) -> None:
    """Fail, naming what is left, unless the engine has nothing of the user's within two seconds."""
    harness.soon(lambda: not containers.of_user(engine, user), SOON)
    assert containers.of_user(engine, user) == []


def engine_process() -> int:
    """Return the pid of what listens at the engine's socket; 0 where it is not seen from here."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(host().removeprefix("unix://"))
        return int(struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def in_groups(ids: set[str]) -> set[int]:
    """Return the processes of containers, which their control groups name."""
    return {
        pid
        for pid in harness.processes()
        if any(each.encode() in harness.read(pid, "cgroup") for each in ids)
    }


def held_by_engine(names: set[str]) -> set[str]:
    """Return those network namespaces, by the engine's names for them, that it holds by a mount."""
    mounts = harness.read(engine_process(), "mountinfo").decode()
    return {name for name in names if name and f"/netns/{name} " in mounts}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees the namespaces of an engine's containers")
def test_no_namespace_is_left(engine: Engine, user: str, kinds: Path) -> None:
    """After SIGKILL of its maker no process of a lab runs, and the engine holds no namespace of it."""
    if not host().startswith("unix://") or not engine_process():
        pytest.skip("the engine is not seen from here")
    maker = Maker(kinds)
    names, mounted, ids = set[str](), set[str](), set[str]()
    seen = set[int]()
    known = threading.Event()

    def look(_: int, moment: str) -> None:
        """Note what there is at each answer; the last is that of the lab's first words."""
        if moment == ANSWERED and known.wait(harness.PATIENCE):
            # The proxy asks from a thread for each connection: what all share is only added to.
            found = containers.of_lab(engine, user).values()
            here = {each["Id"] for each in found}
            held = {Path(each["NetworkSettings"]["SandboxKey"]).name for each in found}
            ids.update(here)
            names.update(held)
            mounted.update(held_by_engine(held))
            seen.update(in_groups(here))

    try:
        with containers.proxy(look) as between:
            driver = maker.driver(between.host, user)
            known.set()
            assert harness.ended(driver)
            assert_gone(engine, user)
    finally:
        maker.close()
    assert len(ids) == 5
    assert len(seen) >= 5
    assert mounted, "the test must see what it is to miss"
    # The engine's empty files stay for a minute; what they held has gone when they are no mounts any more.
    harness.soon(lambda: not in_groups(ids) and not held_by_engine(names), SOON)
    assert [harness.read(pid, "cmdline") for pid in in_groups(ids)] == []
    assert held_by_engine(names) == set()


def test_a_killed_fabric_ends_the_lab(engine: Engine, user: str) -> None:
    """When its PID 1 is killed all of it goes, who waits for a command is told, and `stop` is harmless."""
    with lab.start(containers.web_plan()) as running:
        lease = running.lease()
        command = running.launch("client", ["sleep", "1000"])
        engine.api.kill(containers.of_lab(engine, user)["fabric"]["Id"])
        with pytest.raises(LabError, match=r"the lab has ended.* — start it again"):
            command.wait(harness.PATIENCE)
        assert select.select([lease], [], [], harness.PATIENCE)[0]
        assert_gone(engine, user)
        with pytest.raises(LabError, match="the lab has ended"):
            running.output("client", ["true"])
        command.close()
        lease.close()
    running.stop()


def test_a_killed_node_ends_by_itself(engine: Engine, user: str) -> None:
    """The other nodes go on, and the lab's end takes the rest."""
    with lab.start(containers.web_plan()) as running:
        engine.api.kill(containers.of_lab(engine, user)["client"]["Id"])
        assert harness.wait_for(lambda: "client" not in containers.of_lab(engine, user))
        assert running.output("dns", ["dig", "+short", "@10.0.0.53", "www.lab.test"]).stdout == "10.0.0.80\n"
    assert_gone(engine, user)


def test_a_stop_leaves_nothing(engine: Engine, user: str) -> None:
    """When `stop` returns the engine has nothing of the lab any more."""
    with lab.start(containers.web_plan()):
        assert len(containers.of_user(engine, user)) == 4
    assert containers.of_user(engine, user) == []


def test_driver_and_guard_killed_together(engine: Engine, user: str, kinds: Path) -> None:
    """What has started goes with its lease; what was only created stays, as written, and hinders nobody."""
    maker = Maker(kinds)
    known = threading.Event()
    driver = 0

    def kill(_: int, moment: str) -> None:
        """Kill both when the fabric runs, and the first node is created."""
        names = [line for line in between.requests if "create?name=" in line]
        if moment == ANSWERED and len(names) > 1 and known.wait(harness.PATIENCE):
            for pid in [*harness.children(driver), driver]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    try:
        with containers.proxy(kill) as between:
            driver = maker.driver(between.host, user)
            known.set()
            assert harness.ended(driver)
            harness.soon(lambda: _states(engine, user) <= {"created"}, SOON)
            assert _states(engine, user) <= {"created"}
        with lab.start(containers.web_plan()) as running:
            assert running.output("client", ["echo", "yes"]).stdout == "yes\n"
    finally:
        maker.close()


def _states(engine: Engine, user: str) -> set[str]:
    return {each["State"]["Status"] for each in containers.of_lab(engine, user).values()}


# -- signals to the command line -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "request_number"),
    [(signal.SIGINT, 5), (signal.SIGTERM, 8), (signal.SIGINT, 8), (signal.SIGTERM, 12)],
)
def test_a_signal_during_the_start(
    engine: Engine, place: Desk, monkeypatch: pytest.MonkeyPatch, number: int, request_number: int
) -> None:
    """Ctrl-C, or SIGTERM, ends the command with the shell's status, without a traceback, and the lab."""
    command: subprocess.Popen[str] | None = None
    known = threading.Event()

    def end(count: int, moment: str) -> None:
        if (count, moment) == (request_number, SENT) and known.wait(harness.PATIENCE):
            assert command is not None
            command.send_signal(number)

    with containers.proxy(end) as between:
        monkeypatch.setenv("DOCKER_HOST", between.host)
        command = place.start(
            "run", "--backend", "docker", "topologies/web.yaml", "client", "--", "sleep", "99"
        )
        known.set()
        _, errors = command.communicate(timeout=harness.PATIENCE)
        assert_gone(engine, whose(place))
    assert command.returncode == 128 + number
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 1, errors
    place.assert_nothing_left()


# -- many ----------------------------------------------------------------------------------------------


def test_the_same_lab_five_times_at_once(engine: Engine, place: Desk) -> None:
    """They do not meet: the same names and addresses, five networks."""
    argv = ["run", "--backend", "docker"]
    where = ["topologies/web.yaml", "client", "--", "curl", "-s", "http://www.lab.test/hello.txt"]
    runs = [place.start(*argv, "--out", f"out{number}", *where) for number in range(5)]
    done = [run.communicate(timeout=100) for run in runs]
    assert [run.returncode for run in runs] == [0] * 5, done
    assert len({out for out, _ in done}) == 1
    assert done[0][0] == (place.directory / "topologies" / "www" / "hello.txt").read_text()
    assert_gone(engine, whose(place))


def test_one_name_twice_at_once(engine: Engine, place: Desk) -> None:
    """Of two `netlab up` of one name at the same moment one wins, and the other says why it did not."""
    both = [place.start("up", "--backend", "docker", "topologies/web.yaml", "--name", "one") for _ in "12"]
    errors = [each.communicate(timeout=100)[1] for each in both]
    statuses = [each.returncode for each in both]
    assert sorted(statuses) == [0, 2], errors
    assert errors[statuses.index(2)] == (
        "a lab named 'one' is running already — end it with `netlab down one`, or give this one a --name\n"
    )
    assert len(containers.of_user(engine, whose(place))) == 4
    assert place.netlab("exec", "client", "--", "echo", "yes").stdout == "yes\n"
    assert place.netlab("down", "one").stdout == "lab one is down\n"
    assert containers.of_user(engine, whose(place)) == []


# -- labs that outlive their makers --------------------------------------------------------------------


@pytest.fixture
def up(place: Desk) -> Desk:
    """Give a desk at which the shipped lab runs in containers, as `web`."""
    done = place.netlab("up", "--backend", "docker", "topologies/web.yaml")
    assert done.returncode == 0, done.stderr
    return place


def test_the_verbs_of_a_lab_that_runs(engine: Engine, up: Desk, tmp_path: Path) -> None:
    """`ps`, `exec`, `shell`, `logs`, `capture` and `down` find it as they find a sandbox."""
    assert up.left() == [], "no process of ours keeps it"
    assert "docker" in up.netlab("ps").stdout
    assert up.netlab("exec", "client", "--", "dig", "+short", "www.lab.test").stdout == "10.0.0.80\n"
    assert up.netlab("exec", "client", "--", "sh", "-c", "exit 7").returncode == 7
    assert up.netlab("shell", "web", input="hostname\nexit 3\n").stdout == "web\n"
    assert "www.lab.test" in up.netlab("logs", "dns").stdout
    file = tmp_path / "packets.pcapng"
    capture = up.start("capture", "client", "-w", file, "-c", "2")
    assert capture.stderr is not None
    assert capture.stderr.readline() == "capturing in node client; Ctrl-C ends\n"
    up.netlab("exec", "client", "--", "ping", "-c", "1", "web")
    _, errors = capture.communicate(timeout=harness.PATIENCE)
    assert capture.returncode == 0, errors
    assert len(read_capture(file).frames) == 2
    assert up.netlab("down").stdout == "lab web is down\n"
    assert containers.of_user(engine, whose(up)) == []
    assert up.netlab("ps").stdout == ""
    up.assert_nothing_left()


def _argv_inside(place: Desk) -> str:
    return place.netlab("exec", "web", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline").stdout


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_exec_ends_its_command(up: Desk, number: int) -> None:
    """When `netlab exec` is killed its command in the node ends, with its children, and the lab goes on."""
    token = harness.make_token()
    command = up.start("exec", "client", "--", "sh", "-c", f"sleep {token} & sleep {token}")
    assert harness.wait_for(lambda: _argv_inside(up).count(f"sleep\0{token}") == 2)
    command.send_signal(number)
    command.wait(harness.PATIENCE)
    assert harness.wait_for(lambda: token not in _argv_inside(up))
    command.communicate()
    assert up.netlab("down").returncode == 0
