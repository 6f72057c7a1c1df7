"""Probing the real kernel: each refusal is brought about in a child's own namespaces, then explained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.harness import wait_for

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

# Each runs in a process of its own, before anything is probed; the machine outside is untouched.
NOTHING = ""
OWN_NAMESPACES = """
import os
from pathlib import Path
from netlab.kernel import syscalls as sc
user, group = os.geteuid(), os.getegid()
sc.unshare(sc.CLONE_NEWUSER | sc.CLONE_NEWNS)
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
sc.mount("none", "/", flags=sc.MS_REC | sc.MS_PRIVATE)
"""
NO_NAMESPACES_LEFT = OWN_NAMESPACES + 'Path("/proc/sys/user/max_user_namespaces").write_text("0")\n'
NO_NETWORKS_LEFT = OWN_NAMESPACES + 'Path("/proc/sys/user/max_net_namespaces").write_text("0")\n'
MASKED_PROC = OWN_NAMESPACES + 'sc.mount("tmpfs", "/proc/sys", "tmpfs")\n'
# A classic BPF program (seccomp(2)): unshare gives EPERM, everything else is allowed.
FILTERED = """
import ctypes, platform, struct
number = {"x86_64": 272, "aarch64": 97}[platform.machine()]
program = struct.pack(
    "HBBIHBBIHBBIHBBI",
    0x20, 0, 0, 0,
    0x15, 0, 1, number,
    0x06, 0, 0, 0x00050001,
    0x06, 0, 0, 0x7FFF0000,
)
held = ctypes.create_string_buffer(program)
whole = struct.pack("HxxxxxxP", 4, ctypes.addressof(held))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, whole) == 0
"""
# What `netlab doctor` does of an engine, and how long that takes.
ASK_ENGINE = """
import json, sys, time
from netlab.backends.docker.image import digest, tag
from netlab.kernel.engine import ask
from netlab.kernel.probes import judge
from netlab.kernel.readings import OwnImage, Readings
started = time.monotonic()
answer = ask(tag())
took = time.monotonic() - started
findings = judge(Readings(docker=answer, image=OwnImage(tag(), digest())))
said = {finding.name: [finding.status, finding.detail] for finding in findings}
print(json.dumps([said["Docker"], said["netlab's image"], took, "docker" in sys.modules]))
"""
PROBE = """
import json
from netlab.kernel.probes import probe
print(json.dumps({finding.name: [finding.status, finding.needed, finding.cure] for finding in probe()}))
"""
REFUSE = """
import os
from netlab.kernel import syscalls as sc
from netlab.kernel.probes import explain_refusal
try:
    sc.unshare(sc.CLONE_NEWUSER | sc.CLONE_NEWNET)
except OSError as error:
    print(explain_refusal(error))
"""


def run(root: Path, script: str) -> str:
    """Run a script in a fresh, single-threaded interpreter at the repository's top; its standard output."""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, check=False, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def probed(root: Path, before: str) -> dict[str, tuple[str, bool, str]]:
    """Run `before`, then every probe; name → status, needed, cure."""
    return {name: tuple(finding) for name, finding in json.loads(run(root, before + PROBE)).items()}


def test_this_machine_can_run_labs(root: Path) -> None:
    """Every needed probe is tried here and says yes, or the other system tests could not run either."""
    refused = {
        name: finding for name, finding in probed(root, NOTHING).items() if finding[1] and finding[0] != "yes"
    }
    assert refused == {}


def test_a_real_engine_is_told_by_name(root: Path, engine: Engine) -> None:
    """It is asked without the SDK, in half a second, and says what the SDK hears; netlab's image is found."""
    found: list[Any] = []

    def ask() -> bool:
        """Ask anew where the machine is too busy for it to answer in time, which is said."""
        found[:] = json.loads(run(root, ASK_ENGINE))
        return bool(found[0][0] == "yes" and found[1][0] == "yes" and found[2] < 1)

    assert wait_for(ask), found
    docker, _, _, imported = found
    version = engine.api.version()
    assert f"{version['Version']}, API {version['ApiVersion']}" in docker[1]
    assert not imported


def test_probing_leaves_nothing_behind(root: Path) -> None:
    """After a probe the process has no child, and is in the namespaces in which it began."""
    script = """
import os
from netlab.kernel.probes import probe
kinds = ("user", "net", "mnt", "pid_for_children", "uts", "ipc")
before = [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds], os.listdir("/proc/self/fd")
probe()
assert before == ([os.readlink(f"/proc/self/ns/{kind}") for kind in kinds], os.listdir("/proc/self/fd"))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("alone")
"""
    assert run(root, script) == "alone\n"


@pytest.mark.parametrize(
    ("before", "name", "cure"),
    [
        (NO_NAMESPACES_LEFT, "user namespace", "sudo sysctl -w user.max_user_namespaces="),
        (NO_NAMESPACES_LEFT, "namespace limits", "sudo sysctl -w user.max_user_namespaces="),
        (NO_NETWORKS_LEFT, "namespaces", "sudo sysctl -w user.max_net_namespaces="),
        (MASKED_PROC, "own /proc", "systempaths=unconfined"),
        (FILTERED, "user namespace", "start"),
        (FILTERED, "seccomp", "start"),
    ],
)
def test_a_real_refusal_is_found_with_its_cure(root: Path, before: str, name: str, cure: str) -> None:
    """The kernel refuses indeed, and the probe that trips names what lifts it."""
    status, needed, advice = probed(root, before)[name]
    assert (status, needed) == ("no", True)
    assert cure in advice


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (NO_NAMESPACES_LEFT, "because user.max_user_namespaces is 0 — sudo sysctl -w"),
        (NO_NETWORKS_LEFT, "because user.max_net_namespaces is 0 — sudo sysctl -w"),
        (FILTERED, " forbids namespaces — "),
    ],
)
def test_a_real_refusal_is_explained(root: Path, before: str, words: str) -> None:
    """The OSError of a refused unshare becomes one sentence with cause and cure."""
    assert words in run(root, before + REFUSE)
