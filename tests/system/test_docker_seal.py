"""What a container of a lab may do, see and use: as the engine was told, and as it is from within."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from netlab import lab, topology
from netlab.backends.docker import containers as made
from netlab.backends.docker.containers import Limits
from netlab.errors import NetlabError
from netlab.lab import Lab
from netlab.plan import make_plan
from tests.system import containers, harness

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

TOPOLOGY = """
name: sealed
backend: docker
networks: {lan: 10.0.0.0/24}
nodes:
  client: {address: 10.0.0.10}
  dns: {address: 10.0.0.53, services: {dns: {zones: {lab.test: {www: 10.0.0.20}}}}}
  busy: {address: 10.0.0.20, image: netlab-test/tiny}
"""
NODES = ("client", "dns", "busy")
# The bits of capability.h: SETGID 6, SETUID 7, NET_BIND_SERVICE 10, NET_ADMIN 12, NET_RAW 13.
ALLOWED = f"{1 << 6 | 1 << 7 | 1 << 10 | 1 << 12 | 1 << 13:016x}"
SEALED = {"CapEff": ALLOWED, "CapPrm": ALLOWED, "CapBnd": ALLOWED, "CapAmb": "0" * 16}
SEALED |= {"NoNewPrivs": "1", "Seccomp": "2"}


@dataclass(frozen=True)
class Sealed:
    """A lab, and what the engine says of each of its containers, by role or its node's name."""

    running: Lab
    containers: dict[str, dict[str, Any]]

    def tell(self, node: str, code: str) -> Any:
        """Run Python in a node and return what it assigned to `said`."""
        program = f"import json, os, sys\n{code}\nprint(json.dumps(said))"
        done = self.running.output(node, ["python3", "-c", program])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def sealed(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """Give a lab of three kinds of nodes: a plain one, one with a service, one with an image of its own."""
    containers.need_image(engine, "netlab-test/tiny")
    file = tmp_path_factory.mktemp("sealed") / "sealed.yaml"
    file.write_text(TOPOLOGY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGNAME", user := containers.make_user())
        with lab.start(make_plan(topology.load(file))) as running:
            yield Sealed(running, containers.of_lab(engine, user))


def status(text: str) -> dict[str, str]:
    """Return what proc's status says of those things that SEALED names."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs if name in SEALED}


# -- as the engine was told --------------------------------------------------------------------------


def test_the_engine_has_sealed_every_container(sealed: Sealed) -> None:
    """Nothing of the host in it, no way out of it, all capabilities dropped but those that are named."""
    assert set(sealed.containers) == {"fabric", *NODES, "image busy"}
    fabric = sealed.containers["fabric"]["Id"]
    for name, container in sealed.containers.items():
        host = container["HostConfig"]
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges" in host["SecurityOpt"], name
        assert not any("seccomp" in option for option in host["SecurityOpt"]), name
        assert host["Privileged"] is False, name
        for key in ("Binds", "Devices", "DeviceRequests", "VolumesFrom", "PortBindings", "Links"):
            assert not host[key], (name, key)
        assert container["Mounts"] == [], name
        assert host["AutoRemove"] is True, name
        assert host["RestartPolicy"]["Name"] in ("", "no"), name
        shared = sealed.containers["busy"]["Id"] if name == "image busy" else None
        assert host["NetworkMode"] == (f"container:{shared}" if shared else "none"), name
        assert host["PidMode"] == ("" if name == "fabric" else f"container:{fabric}"), name
        assert host["IpcMode"] != "host", name


def test_capabilities_are_few(sealed: Sealed) -> None:
    """A node has what packets, and programs that change their user, need; the fabric alone has more."""
    granted = {
        name: {each.removeprefix("CAP_") for each in container["HostConfig"]["CapAdd"]}
        for name, container in sealed.containers.items()
    }
    for node in NODES:
        assert granted[node] == {"NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETGID", "SETUID"}
    assert granted["fabric"] - granted["client"] == {
        "KILL",
        "SETPCAP",
        "SYS_ADMIN",
        "SYS_CHROOT",
        "SYS_PTRACE",
    }
    assert not {name for name in granted["image busy"] if name.startswith("SYS_")}


def test_every_container_is_limited(sealed: Sealed, engine: Engine) -> None:
    """Memory, processes and CPUs, as far as the engine can limit them."""
    info = engine.info()
    wanted = {"Memory": "MemoryLimit", "PidsLimit": "PidsLimit", "NanoCpus": "CpuCfsQuota"}
    known = [key for key, ability in wanted.items() if info[ability]]
    assert known, "an engine that can limit nothing tests nothing"
    for name, container in sealed.containers.items():
        assert all(container["HostConfig"][key] > 0 for key in known), name


def test_every_container_says_whose_it_is(sealed: Sealed) -> None:
    """Labels name lab, user, role and node; of all containers the lab is one."""
    labels = {name: container["Config"]["Labels"] for name, container in sealed.containers.items()}
    assert len({each["netlab.lab"] for each in labels.values()}) == 1
    assert labels["fabric"]["netlab.role"] == "fabric"
    assert labels["image busy"]["netlab.role"] == "image"
    assert {name: labels[name]["netlab.node"] for name in NODES} == {name: name for name in NODES}
    assert not any("netlab.name" in each for each in labels.values()), "it has no name to outlive us by"


# -- as it is from within ------------------------------------------------------------------------------


@pytest.mark.parametrize("node", NODES)
def test_a_command_has_few_capabilities(sealed: Sealed, node: str) -> None:
    """Effective and bounding set are exactly the five, also in an image of the node's own."""
    done = sealed.running.output(node, ["cat", "/proc/self/status"])
    assert status(done.stdout) == SEALED


@pytest.mark.parametrize("node", NODES)
def test_a_script_has_few_capabilities(sealed: Sealed, node: str, tmp_path: Path) -> None:
    """The same for a script, which a warm interpreter has become."""
    script = tmp_path / "status.py"
    script.write_text("print(open('/proc/self/status').read())\n")
    done = sealed.running.output(node, [str(script)])
    assert status(done.stdout) == SEALED, done.stderr


BESIDE = """
own, said = os.readlink("/proc/self/ns/net"), {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if os.readlink(f"/proc/{pid}/ns/net") == own and int(pid) != os.getpid():
            said[open(f"/proc/{pid}/cmdline").read()] = open(f"/proc/{pid}/status").read()
    except OSError:
        pass
"""


def test_a_service_has_few_capabilities(sealed: Sealed) -> None:
    """The server, and the process that keeps the node, have no more than a command."""
    beside = sealed.tell("dns", BESIDE)
    assert any("sleep" in argv for argv in beside)
    assert any("python3" in argv for argv in beside), "the server must be among them"
    for argv, told in beside.items():
        assert status(told) == SEALED, argv


PRY = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
said = {}
for request in (PTRACE_ATTACH, PTRACE_SEIZE):
    said[f"ptrace {request}"] = ctypes.get_errno() if libc.ptrace(request, 1, 0, 0) else 0
for name in ("environ", "mem", "maps", "auxv", "syscall"):
    try:
        said[name] = len(open(f"/proc/1/{name}", "rb").read(1)) and 0
    except OSError as error:
        said[name] = error.errno
for name in ("root", "cwd", "exe", "fd/0", "ns/net", "ns/mnt"):
    try:
        said[name] = os.readlink(f"/proc/1/{name}") and 0
    except OSError as error:
        said[name] = error.errno
"""


@pytest.mark.parametrize("node", ["client", "dns"])
def test_pid_1_is_not_pried_into(sealed: Sealed, node: str) -> None:
    """Its memory, environment, files and namespaces are refused: it can what a node must not."""
    said = sealed.tell(node, PRY)
    assert len(said) == 13
    assert {name for name, number in said.items() if number not in (1, 13)} == set(), said  # EPERM, EACCES


def test_no_signal_of_a_node_ends_the_lab(sealed: Sealed) -> None:
    """PID 1 heeds none of all signals: the kernel keeps those away for which it has no handler."""
    numbers = " ".join(map(str, range(1, signal.NSIG)))
    line = f"for n in {numbers}; do kill -$n 1; done; echo sent"
    for node in ("client", "busy"):
        assert sealed.running.output(node, ["sh", "-c", line]).stdout == "sent\n"
        assert sealed.running.output(node, ["echo", "still"]).stdout == "still\n"


def test_the_fabrics_files_are_its_own(sealed: Sealed, tmp_path: Path) -> None:
    """What lies in the fabric no command and no script of a node sees, and its job is there."""
    job = containers.in_fabric(sealed.running, ["ls", made.JOB])
    assert job.returncode == 0, "the test must know where the job lies"
    assert containers.in_fabric(sealed.running, ["touch", "/tmp/of-the-fabric"]).returncode == 0
    script = tmp_path / "see.py"
    script.write_text(
        f"import os\nprint([os.path.exists(path) for path in ({made.JOB!r}, '/tmp/of-the-fabric')])\n"
    )
    for node in NODES:
        assert sealed.running.output(node, [str(script)]).stdout == "[False, False]\n"
        assert sealed.running.output(node, ["ls", made.JOB]).returncode != 0
        assert sealed.running.output(node, ["ls", "/tmp/of-the-fabric"]).returncode != 0


def test_nodes_do_not_see_each_others_files(sealed: Sealed) -> None:
    """Each container has a file system of its own, and so has an image beside its node."""
    for node in NODES:
        assert sealed.running.output(node, ["sh", "-c", f": > /tmp/of-{node}"]).returncode == 0
    for node in NODES:
        shown = sealed.running.output(node, ["ls", "/tmp"]).stdout.split()
        assert [name for name in shown if name.startswith("of-")] == [f"of-{node}"]


MOUNTS = ("/proc", "/dev", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")


@pytest.mark.parametrize("place", [*NODES, "fabric"])
def test_nothing_of_the_host_is_mounted(sealed: Sealed, place: str) -> None:
    """Only what engines give any container is mounted, and no socket lies anywhere, the engine's least."""
    look = {"mountinfo": ["cat", "/proc/self/mountinfo"], "sockets": ["sh", "-c", "ls -Rl / 2>/dev/null"]}
    said = {
        name: (
            containers.in_fabric(sealed.running, argv)
            if place == "fabric"
            else sealed.running.output(place, argv)
        ).stdout
        for name, argv in look.items()
    }
    points = [line.split()[4] for line in said["mountinfo"].splitlines()]
    assert "/" in points
    strange = [point for point in points if point != "/" and not point.startswith(MOUNTS)]
    assert not strange
    assert "resolv.conf" in said["sockets"], "the test must see files"
    assert not [line for line in said["sockets"].splitlines() if line.startswith("s")]


def test_no_unix_socket_of_the_host_is_known(sealed: Sealed) -> None:
    """The lists of Unix sockets hold the supervisor's own, in the fabric, and nothing in a node."""
    fabric = containers.in_fabric(sealed.running, ["cat", "/proc/net/unix"]).stdout
    assert "@netlab" in fabric
    assert "docker" not in fabric
    for node in NODES:
        told = sealed.running.output(node, ["cat", "/proc/net/unix"]).stdout
        assert [line.split()[7] for line in told.splitlines()[1:] if len(line.split()) > 7] == []


def test_the_machines_parameters_are_read_only(sealed: Sealed) -> None:
    """Where root of a container could write what is the whole machine's, it is a read-only file system."""
    code = """
said = {}
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness", "/proc/sysrq-trigger"):
    try:
        os.close(os.open(path, os.O_WRONLY))
        said[path] = 0
    except OSError as error:
        said[path] = error.errno
"""
    for node in ("client", "dns"):
        assert set(sealed.tell(node, code).values()) <= {1, 2, 13, 30}  # EPERM, ENOENT, EACCES, EROFS


def test_no_privilege_is_gained_by_a_new_user_namespace(sealed: Sealed) -> None:
    """In a user namespace of its own it would have all capabilities: that is refused."""
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
said = [ctypes.get_errno() if libc.unshare(kind) else 0 for kind in (0x10000000, 0x20000, 0x40000000)]
"""
    assert 0 not in sealed.tell("client", code)


# -- what a node may use -------------------------------------------------------------------------------


@pytest.fixture
def narrow(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Give a lab whose limits are soon reached."""
    monkeypatch.setattr(made, "FABRIC_LIMITS", Limits(256 << 20, 64, 1))
    plan = containers.web_plan()
    with lab.start(replace(plan, nodes=plan.nodes[:2])) as running:
        yield running


# At the limit it says so and goes on trying, without haste: sixty that never rest would starve who is to end
# them, and the other tests. None outlives ten seconds.
BOMB = """
import os, signal, time
end = time.monotonic() + 10
first = os.getpid()
while time.monotonic() < end:
    try:
        os.fork()
    except OSError:
        if os.getpid() == first:
            os.write(1, b"full\\n")
            signal.alarm(10)
            signal.pause()
        time.sleep(0.05)
"""


def test_a_fork_bomb_ends_itself(narrow: Lab) -> None:
    """It meets the limit; when its command is ended all of it is gone, and the lab goes on."""
    reading, writing = os.pipe()
    with open(os.devnull, "r+b") as null:  # noqa: PTH123 — it is only a descriptor
        bomb = narrow.launch("client", ["python3", "-c", BOMB], stdio=(null.fileno(), writing, null.fileno()))
    os.close(writing)
    with open(reading, "rb") as told:  # noqa: PTH123 — a descriptor
        assert told.readline() == b"full\n"
        # Meanwhile another command may be refused, with a sentence; no service has ended.
        try:
            assert narrow.output("dns", ["echo", "yes"]).stdout == "yes\n"
        except NetlabError as error:
            assert "fault of netlab" not in str(error)  # noqa: PT017 — it need not be refused
        bomb.close()
        assert told.read() == b"", "nobody is left to hold the other end"

    def goes_on() -> bool:
        """Ask until all that was killed counts no more: each does until its parent has waited for it."""
        with contextlib.suppress(NetlabError):
            return narrow.output("client", ["dig", "+short", "www.lab.test"]).stdout == "10.0.0.80\n"
        return False

    assert harness.wait_for(goes_on)


def test_a_memory_hog_ends_itself(narrow: Lab) -> None:
    """The kernel kills what takes more than the lab may, and nothing else of the lab."""
    hog = "blocks = []\nwhile len(blocks) < 1024: blocks.append(b'x' * (1 << 20))"
    assert narrow.output("client", ["python3", "-c", hog]).returncode == 128 + signal.SIGKILL
    assert narrow.output("client", ["dig", "+short", "www.lab.test"]).stdout == "10.0.0.80\n"
