"""What the system tests of labs share: plans, processes that are found again, what a lab may leave behind.

A test gives what it starts a token, as an argument and as MARK in the environment: whatever descends
from it carries one or the other, whoever its parent has become.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netlab import topology
from netlab.kernel import syscalls as sc
from netlab.kernel.packets import packet_socket
from netlab.lab import Lab
from netlab.plan import make_plan
from netlab.plan.model import Plan

ROOT = Path(__file__).parents[2]
WEB = ROOT / "topologies" / "web.yaml"
MARK = "NETLAB_TEST_MARK"
SOON = 1.0  # seconds, of a machine that is free, after which nothing may be left
PATIENCE = 30.0  # seconds for what must happen, however busy the machine is

# A process of the public API: starts the topology argv[2], runs a command in the node argv[3] that carries
# the token argv[1], says "up", and stops at the end of its input.
OWNER = """
import sys
from pathlib import Path
from netlab import lab, topology
from netlab.plan import make_plan
plan = make_plan(topology.load(Path(sys.argv[2])))
with lab.start(plan, warm=True) as running:
    running.launch(sys.argv[3], ["sleep", sys.argv[1]], stdio=(0, 2, 2))
    print("up", flush=True)
    sys.stdin.read()
"""
NETLAB = (sys.executable, "-c", "from netlab.cli import main; main()")


def requires(*programs: str) -> pytest.MarkDecorator:
    """Skip, naming them, where programs are missing that a test uses as a second witness."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {' '.join(missing)}")


def web_plan() -> Plan:
    """Plan the shipped lab of client, dns and web."""
    return make_plan(topology.load(WEB))


def write_star(directory: Path, nodes: int) -> Path:
    """Write a topology of that many nodes on one switch."""
    lines = [f"  n{number}: {{address: 10.0.{number // 250}.{number % 250 + 1}}}" for number in range(nodes)]
    path = directory / f"star{nodes}.yaml"
    path.write_text("\n".join(["name: star", "networks: {lan: 10.0.0.0/16}", "nodes:", *lines]) + "\n")
    return path


def make_token() -> str:
    """Make a token; it is also a number of seconds for `sleep`, a day and a little more."""
    return f"86400.{uuid.uuid4().int % 10**12:012d}"


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Wait until the condition is met; False when the time is over first."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return bool(condition())
        time.sleep(0.01)
    return True


def soon(condition: Callable[[], object], seconds: float = SOON) -> bool:
    """Wait as `wait_for` does, for so many seconds in which nothing on the machine queued.

    Where processes wait for a CPU or a disk, that time does not count: nobody promises what others take.
    """
    began, queued = time.monotonic(), _queued()
    while not condition():
        passed = time.monotonic() - began
        if passed > PATIENCE or passed - (_queued() - queued) > seconds:
            return bool(condition())
        time.sleep(0.01)
    return True


def _queued() -> float:
    """Return the seconds since the machine's start in which a process queued; all, where it does not tell."""
    try:
        told = [Path(f"/proc/pressure/{name}").read_text() for name in ("cpu", "io")]
    except OSError:  # a kernel without pressure stall information
        return time.monotonic()
    # "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234", in microseconds.
    return sum(int(text.split()[4].removeprefix("total=")) for text in told) / 1e6


# -- processes -------------------------------------------------------------------------------------


def read(pid: int, name: str) -> bytes:
    """Read a file of a process's directory in proc; empty when that cannot be."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has ended, or is another user's
        return b""


def processes() -> list[int]:
    """Return every process of the machine; zombies, which hold nothing, are their parents' affair."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 — names are wanted
    return [pid for pid in pids if (stat := read_stat(pid)) and stat[1][0] != b"Z"]


def read_stat(pid: int) -> tuple[bytes, list[bytes]] | None:
    """Return a process's name, and the fields that follow it in proc(5)'s stat; None when it is gone."""
    # The name stands in parentheses, and may hold some itself.
    head, _, tail = read(pid, "stat").rpartition(b")")
    return (head.partition(b"(")[2], tail.split()) if tail else None


def marked(token: str) -> list[int]:
    """Return the processes that carry a token."""
    wanted = token.encode()
    mine = os.getpid()
    return [
        pid
        for pid in processes()
        if pid != mine and (wanted in read(pid, "cmdline") or wanted in read(pid, "environ"))
    ]


def children(pid: int, named: str = "") -> list[int]:
    """Return a process's children, the oldest first; `named` chooses those of that name."""
    found = []
    for each in processes():
        stat = read_stat(each)
        if stat and int(stat[1][1]) == pid and stat[0].startswith(named.encode()):
            found.append((int(stat[1][19]), each))
    return [each for _, each in sorted(found)]


def keeper_of(owner: int) -> int:
    """Return the keeper of the lab that a process has made last."""
    return keepers(owner)[-1]


def keepers(owner: int) -> list[int]:
    """Return the keepers of a process's labs, the oldest first."""
    return children(owner, "netlab-keeper")


def init_of(owner: int) -> int:
    """Return the supervisor, PID 1 inside, of the lab that a process has made last."""
    (init,) = children(keeper_of(owner))
    return init


# -- leftovers -------------------------------------------------------------------------------------


def _start(pid: int) -> int:
    stat = read_stat(pid)
    return int(stat[1][19]) if stat else 0


def _namespaces(pid: int) -> set[str]:
    held = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/ns").iterdir():
            with contextlib.suppress(OSError):
                held.add(str(entry.readlink()))
    return held


def own_namespaces() -> dict[str, str]:
    """Return the namespaces that this test itself is in."""
    return {entry.name: str(entry.readlink()) for entry in Path("/proc/self/ns").iterdir()}


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


@dataclass
class Footprint:
    """What a lab has on the machine, seen while it runs, and looked for when it should have gone."""

    token: str
    plan: Plan
    temporary: Path
    called: str = ""  # the name of a lab that outlives its maker
    namespaces: set[str] = field(default_factory=set)
    before: dict[str, str] = field(default_factory=own_namespaces)
    seen: int = 0  # the start time, in proc's clock ticks, of the youngest of the lab's processes

    def see(self) -> None:
        """Note the namespaces that the lab's processes are in now."""
        for pid in marked(self.token):
            self.namespaces |= _namespaces(pid) - set(self.before.values())
            self.seen = max(self.seen, _start(pid))

    def leftovers(self) -> list[str]:
        """Name all that is there of the lab."""
        left = [f"process {pid}: {read(pid, 'cmdline')!r}" for pid in marked(self.token)]
        # The kernel gives a namespace's number again, to labs that others start meanwhile.
        for pid in [pid for pid in processes() if _start(pid) <= self.seen]:
            left += [f"{name} of process {pid}" for name in _namespaces(pid) & self.namespaces]
        if own_namespaces() != self.before:
            left.append("the test's own namespaces have changed")
        left += [line for line in _mounts() if self.token in line or "/run/netlab" in line]
        macs = {port.mac for port in self.plan.ports} | {port.port_mac for port in self.plan.ports}
        for link in Path("/sys/class/net").iterdir():
            with contextlib.suppress(OSError):
                if (link / "address").read_text().strip() in macs:
                    left.append(f"link {link.name}")
        for line in Path("/proc/net/unix").read_text().splitlines():
            if self.called and line.endswith(f"/{self.called}"):
                left.append(f"socket {line.split()[-1]}")
        return left + [str(path) for path in self.temporary.iterdir()]

    def assert_gone(self, seconds: float = SOON) -> None:
        """Fail, naming what is left, unless all is gone within `seconds` of a free machine."""
        soon(lambda: not self.leftovers(), seconds)
        left = self.leftovers()
        assert not left, "\n".join(left)


@dataclass
class Started:
    """A process that has made, or is making, a lab."""

    process: subprocess.Popen[str]
    footprint: Footprint

    @property
    def pid(self) -> int:
        """Its pid."""
        return self.process.pid

    def wait_up(self) -> None:
        """Wait until it says "up", and note what there is."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n", self.errors()
        self.footprint.see()

    def errors(self) -> str:
        """Return what it wrote to standard error; it must have ended, or be ending."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextlib.contextmanager
def started(argv: Sequence[str], temporary: Path, plan: Plan, token: str, **how: object) -> Iterator[Started]:
    """Start a process with the token in its environment; whatever becomes of the test, end it and its lab."""
    home = temporary / "tmpdir"
    home.mkdir()
    environment = os.environ | {MARK: token, "TMPDIR": str(home), "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(argv, env=environment, **(pipes | how))  # type: ignore[call-overload]
    try:
        yield Started(process, Footprint(token, plan, home))
    finally:
        for pid in marked(token):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def own(
    temporary: Path, file: Path = WEB, node: str = "client"
) -> contextlib.AbstractContextManager[Started]:
    """Start an owner of a lab by the public API; see OWNER."""
    token = make_token()
    plan = make_plan(topology.load(file))
    return started([sys.executable, "-c", OWNER, token, str(file), node], temporary, plan, token)


def ended(pid: int, seconds: float = PATIENCE) -> bool:
    """Whether a process that is no child of ours ends in time."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)


# -- packets ---------------------------------------------------------------------------------------


def packet_socket_in(running: Lab, node: str) -> tuple[socket.socket, dict[int, str]]:
    """Return a packet socket in a node, and the names of its interfaces by index.

    A child of ours enters the node, beside a command that runs there, and hands the socket over.
    """
    command = running.launch(node, ["sleep", token := make_token()], stdio=(0, 1, 2))
    assert wait_for(lambda: any(read(pid, "comm") == b"sleep\n" for pid in marked(token)))
    (beside,) = [pid for pid in marked(token) if read(pid, "comm") == b"sleep\n"]
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            user, network = (os.open(f"/proc/{beside}/ns/{name}", os.O_RDONLY) for name in ("user", "net"))
            sc.setns(user, sc.CLONE_NEWUSER)
            sc.setns(network, sc.CLONE_NEWNET)
            names = json.dumps(dict(socket.if_nameindex())).encode()
            heard = packet_socket(ignore_outgoing=False)
            socket.send_fds(theirs, [names], [heard.fileno()])
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    theirs.close()
    told, descriptors, _, _ = socket.recv_fds(ours, 65536, 1)
    os.waitpid(child, 0)
    ours.close()
    command.close()
    names = {int(index): name for index, name in json.loads(told).items()}
    return socket.socket(fileno=descriptors[0]), names
