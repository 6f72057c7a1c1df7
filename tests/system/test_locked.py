"""Nothing in a lab can undo what the sandbox arranged: mounts are locked, sockets out of reach."""

from __future__ import annotations

import errno
import socket
import uuid
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from netlab import lab
from netlab.plan import make_plan
from netlab.topology.model import Interface, Network, Node, Topology

MNT_DETACH = 2
PRIVATE = ("/tmp", "/run", "/dev", "/var/tmp")


@pytest.fixture
def one() -> Iterator[lab.Lab]:
    """Run a lab of one node."""
    node = Node("a", (Interface("eth0", "lan", IPv4Address("10.0.0.1")),))
    with lab.start(
        make_plan(Topology("one", 1, (Network("lan", IPv4Network("10.0.0.0/24")),), (node,)))
    ) as running:
        yield running


def test_the_root_cannot_be_made_writable(one: lab.Lab) -> None:
    """Remounting, with every capability that a node's process has, is refused, and nothing is written."""
    mark = Path.home() / f"netlab-{uuid.uuid4().hex}"
    tries = f"mount -o remount,bind,rw / ; mount -o remount,rw / ; touch {mark}"
    done = one.output("a", ["sh", "-c", tries])
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr
    assert not mark.exists()


@pytest.mark.parametrize("flags", [0, MNT_DETACH])
@pytest.mark.parametrize("where", PRIVATE)
def test_private_directories_cannot_be_uncovered(one: lab.Lab, where: str, flags: int) -> None:
    """What lies under the lab's own /tmp, /run and /dev is locked there: the kernel answers EINVAL."""
    if not Path(where).is_dir():
        pytest.skip(f"this machine has no {where}")
    undo = f"import ctypes; c = ctypes.CDLL(None, use_errno=True); c.umount2({where!r}.encode(), {flags})"
    done = one.output("a", ["python3", "-c", f"{undo}; print(ctypes.get_errno())"])
    assert int(done.stdout) == errno.EINVAL
    seen = one.output("a", ["ls", "-A", where]).stdout.split()
    assert not any(name == "kmsg" or name.startswith(("vd", "sd", "nvme")) for name in seen)


def test_the_machines_parameters_stay_as_they_are(one: lab.Lab) -> None:
    """Neither as they are nor uncovered can they be opened for writing, by root's lab either."""
    undo = "umount -l /proc/sys; umount -l /proc; mount -o remount,rw /proc/sys"
    tries = f"{undo}; : >> /proc/sys/kernel/core_pattern"
    done = one.output("a", ["sh", "-c", tries])
    assert done.returncode != 0


def test_what_pid_1_holds_is_no_way_out(one: lab.Lab) -> None:
    """PID 1 holds mount namespaces, the outer one too: in none that opens can the root be made writable."""
    undo = "mount -o remount,bind,rw / && echo undone"
    tries = f"for fd in /proc/1/fd/*; do nsenter --mount=$fd sh -c '{undo}'; done; ls /proc/1/fd"
    done = one.output("a", ["sh", "-c", tries])
    assert "undone" not in done.stdout
    assert len(done.stdout.split()) > 3


def test_the_machines_unix_sockets_are_covered() -> None:
    """A server that listens at a path of the host's is there for the host, and not for a lab."""
    path = Path.home() / f"n-{uuid.uuid4().hex[:8]}.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        try:
            server.listen()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
            node = Node("a", (Interface("eth0", "lan", IPv4Address("10.0.0.1")),))
            network = Network("lan", IPv4Network("10.0.0.0/24"))
            ask = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
            with lab.start(make_plan(Topology("one", 1, (network,), (node,)))) as running:
                done = running.output("a", ["python3", "-c", ask])
            assert "ConnectionRefusedError" in done.stderr
        finally:
            path.unlink()
