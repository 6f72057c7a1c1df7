"""Many labs at once, and much of everything in one: nothing collides, nothing is lost, nothing leaks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from netlab import lab
from netlab.errors import UsageError
from netlab.lab import Lab
from netlab.lab.record import claim
from tests.system import harness

pytestmark = harness.requires("curl", "dig", "pgrep")

LABS = 50


def visit(running: Lab) -> str:
    """Ask the lab's DNS, then fetch the page by name; return both answers."""
    line = "dig +short www.lab.test && curl -sS http://www.lab.test/hello.txt"
    done = running.output("client", ["sh", "-c", line])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_fifty_labs_of_one_topology_stand_at_once() -> None:
    """Fifty equal labs, same names and addresses, all up at the same time, each serve their own client."""
    plan = harness.web_plan()
    content = (harness.ROOT / "topologies" / "www" / "hello.txt").read_text()
    before = harness.keepers(os.getpid())
    with ExitStack() as stack:
        labs = [stack.enter_context(lab.start(plan)) for _ in range(LABS)]
        keepers = [keeper for keeper in harness.keepers(os.getpid()) if keeper not in before]
        assert len(keepers) == LABS
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(visit, labs))
        assert answers == [f"10.0.0.80\n{content}"] * LABS
        # All stood to the end, and each in a network of its own.
        assert harness.keepers(os.getpid()) == before + keepers
        networks = {
            Path(f"/proc/{init}/ns/net").readlink() for keeper in keepers for init in harness.children(keeper)
        }
        assert len(networks) == LABS
    assert harness.keepers(os.getpid()) == before


def test_processes_start_the_same_lab_at_once(tmp_path: Path) -> None:
    """Eight `netlab run` of one topology in one directory at the same time: all succeed, with records."""
    argv = [*harness.NETLAB, "run", str(harness.WEB), "client", "--", "dig", "+short", "www.lab.test"]
    environment = os.environ | {"PYTHONPATH": str(harness.ROOT)}
    how = {
        "cwd": tmp_path,
        "env": environment,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    runs = [subprocess.Popen(argv, **how) for _ in range(8)]  # type: ignore[call-overload]
    told = [run.communicate(timeout=60) for run in runs]
    assert [(run.returncode, out) for run, (out, _) in zip(runs, told, strict=True)] == [
        (0, "10.0.0.80\n")
    ] * 8, told
    records = sorted((tmp_path / "runs").iterdir())
    # A run that was over may have given its directory to one that came later.
    assert 1 <= len(records) <= 8
    assert all((record / "trace.txt").stat().st_size for record in records)


def test_one_name_is_given_once(tmp_path: Path) -> None:
    """Of several that start a lab of one name at the same time, exactly one gets it, and it runs."""
    name = f"t{os.getpid()}-once"
    code = """
import sys
from pathlib import Path
from netlab import lab, topology
from netlab.errors import UsageError
from netlab.plan import make_plan
plan = make_plan(topology.load(Path(sys.argv[1])))
try:
    lab.start_detached(plan, sys.argv[2])
    print("got it")
except UsageError as error:
    print(error)
"""
    argv = [sys.executable, "-c", code, str(harness.WEB), name]
    environment = os.environ | {"PYTHONPATH": str(harness.ROOT)}
    tries = [subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = [each.communicate(timeout=60)[0] for each in tries]
    try:
        assert said.count("got it\n") == 1, said
        assert sum("is running already" in each for each in said) == 5, said
        assert harness.wait_for(lambda: name in lab.running())
        assert visit(lab.attach(name)).startswith("10.0.0.80\n")
    finally:
        lab.attach(name).stop()
    with pytest.raises(UsageError):
        lab.attach(name)


@pytest.mark.parametrize("name", ["two words", "", "a/b", "x" * 65, "new\nline"])
def test_names_that_could_not_be_found_again(name: str) -> None:
    """A name that the kernel's list of sockets would not give back is refused, before anything starts."""
    before = harness.keepers(os.getpid())
    with pytest.raises(UsageError, match="cannot be a lab's name"):
        lab.start_detached(harness.web_plan(), name)
    assert harness.keepers(os.getpid()) == before


def test_a_record_has_one_writer(tmp_path: Path) -> None:
    """Two labs do not write to one directory: the second is told, and the first is not disturbed."""
    record = claim(tmp_path / "out", "web")
    with lab.start(harness.web_plan(), record=record) as running:
        with pytest.raises(UsageError, match="another run is writing"):
            claim(tmp_path / "out", "web")
        visit(running)
        running.finish()
    assert record.capture.stat().st_size > 0
    claim(tmp_path / "out", "web")


# -- much in one lab -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web() -> Iterator[Lab]:
    """Give the shipped lab."""
    with lab.start(harness.web_plan()) as running:
        yield running


def _descriptors(pid: int) -> list[str]:
    return sorted(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 — names are wanted


def test_two_hundred_commands_at_once(web: Lab) -> None:
    """Two hundred commands of all nodes run side by side; each gives its own status."""
    commands = [
        web.launch(web.nodes[number % 3], ["sh", "-c", f"sleep 1; exit {number % 100}"])
        for number in range(200)
    ]
    running = int(web.output("client", ["pgrep", "-c", "sleep"]).stdout)
    statuses = [command.wait(harness.PATIENCE) for command in commands]
    for command in commands:
        command.close()
    assert running > 10, "the test must have had several at once"
    assert statuses == [number % 100 for number in range(200)]


def test_threads_share_a_lab(web: Lab) -> None:
    """A lab is used from several threads: no answer reaches the wrong one."""
    with ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda number: web.output("client", ["echo", str(number)]).stdout, range(80))
        assert list(told) == [f"{number}\n" for number in range(80)]


def test_five_hundred_commands_leak_nothing() -> None:
    """After 500 commands supervisor and owner hold no more descriptors and children than before."""
    with lab.start(harness.web_plan()) as running:
        running.run("client", ["true"])
        init = harness.init_of(os.getpid())
        # What the first command had may still be closing: none of 500 may add to it.
        before = len(_descriptors(init)), len(_descriptors(os.getpid())), len(harness.children(init))
        for _ in range(500):
            assert running.run("client", ["true"]) == 0
        with Path("/dev/null").open("wb") as null:
            for _ in range(20):
                running.packets("client", null.fileno()).close()
                logs = running.logs("client", null.fileno())
                assert logs.wait(harness.PATIENCE) == 0
                logs.close()
        assert harness.wait_for(lambda: len(_descriptors(init)) <= before[0]), _descriptors(init)
        assert len(_descriptors(os.getpid())) <= before[1]
        assert harness.wait_for(lambda: len(harness.children(init)) <= before[2])


def test_labs_leak_nothing_in_their_owner() -> None:
    """After thirty labs the owner holds no descriptor, and has no child, that it had not before."""
    with lab.start(harness.web_plan()):
        pass
    before = _descriptors(os.getpid()), harness.keepers(os.getpid())
    for _ in range(30):
        with lab.start(harness.web_plan()) as running:
            running.run("client", ["true"])
    assert set(_descriptors(os.getpid())) <= set(before[0])
    assert set(harness.keepers(os.getpid())) <= set(before[1])
