"""Judge what this machine allows: for `netlab doctor`, and for the sentence when a sandbox is refused.

Its counterpart is `netlab.kernel.readings`, which reads and tries; nothing here touches the machine.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from netlab.errors import MachineError
from netlab.kernel.engine import USUAL, Engine
from netlab.kernel.readings import OwnImage, Readings, read, read_restrictions

Status = Literal["yes", "no", "unknown"]

OLDEST_KERNEL = "5.12"
OLDEST_PYTHON = (3, 11)
OLDEST_API = (1, 41)  # of Docker Engine 20.10
FILES_FOR_1000_NODES = 2100

# Package that brings a tool: on Debian and Ubuntu, on Fedora and its kin, on Arch.
PACKAGES = {
    "dig": ("bind9-dnsutils", "bind-utils", "bind"),
    "curl": ("curl", "curl", "curl"),
    "ping": ("iputils-ping", "iputils", "iputils"),
    "tcpdump": ("tcpdump", "tcpdump", "tcpdump"),
    "tshark": ("tshark", "wireshark-cli", "wireshark-cli"),
    "nft": ("nftables", "nftables", "nftables"),
}
_INSTALLERS = {"debian": (0, "apt install"), "fedora": (1, "dnf install"), "arch": (2, "pacman -S")}

_STEPS = {
    "unshare": "leave the machine's namespaces for its own",
    "map": "map your user into its user namespace",
    "files": "arrange its own view of the file system",
    "proc": "mount a /proc of its own",
    "ambient": "hand capabilities to the programs of a lab",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a lab needs, or likes (`needed` false); `cure` is empty unless the status is "no".

    A cure begins with the one command that lifts the obstacle, wherever one command does.
    """

    name: str
    status: Status
    needed: bool
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the machine refuses, as a clause that follows "because", and what lifts it."""

    why: str
    cure: str


def probe(image: OwnImage | None = None) -> tuple[Finding, ...]:
    """Try everything on this machine; takes about half a second, and leaves nothing behind."""
    return judge(read(image))


def judge(readings: Readings) -> tuple[Finding, ...]:
    """Judge every probe, in the order of PROBES."""
    return tuple(one(readings) for one in PROBES)


def explain_refusal(error: OSError) -> MachineError:
    """Name what refused a step of making a sandbox, and its cure.

    `error` is that of `netlab.kernel.sandbox.spawn`: its file name tells the step. Nothing is tried.
    """
    return refusal(read_restrictions(), error)


def refusal(readings: Readings, error: OSError) -> MachineError:
    """Judge an error of making a sandbox by what was read."""
    step = _step_of(error)
    cause = _cause(readings, error.errno or 0, step)
    return MachineError(f"a sandbox could not {_STEPS[step]}, because {cause.why}", cause.cure)


def _step_of(error: OSError) -> str:
    place = str(error.filename or "")
    if place.endswith(("uid_map", "gid_map", "setgroups")):
        return "map"
    known = {"/proc": "proc", "prctl": "ambient", "capget": "ambient", "capset": "ambient"}
    return known.get(place, "files" if place.startswith("/") else "unshare")


def _cause(readings: Readings, code: int, step: str) -> Cause:
    """Find the obstacle that explains an errno best: limits show in the errno, switches in their sysctls."""
    if readings.system != "Linux":
        return _not_linux(readings)
    if code in (errno.EPERM, errno.EACCES):
        return _forbidden(readings, code, step)
    if code in (errno.ENOSPC, errno.EUSERS) and step == "unshare":
        return _limit(readings)
    if code == errno.ENOSYS:
        return _old_kernel(readings)
    if code == errno.EINVAL and step == "unshare":
        why = "the kernel was built without one of them (CONFIG_USER_NS, CONFIG_NET_NS, CONFIG_PID_NS)"
        return Cause(why, "boot a kernel of your distribution's own")
    return Cause(f"the kernel said “{os.strerror(code)}”", "`netlab doctor` tries each step by itself")


def _forbidden(readings: Readings, code: int, step: str) -> Cause:
    if step == "proc" and readings.masked_proc:
        return _masked_proc(readings)
    if readings.container and step in ("files", "readonly", "devices"):
        why = f"{readings.container}'s AppArmor or SELinux profile forbids mounts"
        return Cause(why, _container_cure(readings))
    for obstacle in (_seccomp_in_container, _debian_sysctl, _apparmor, _seccomp):
        if cause := obstacle(readings):
            return cause
    return Cause(
        f"the kernel said “{os.strerror(code)}”, and no switch that netlab knows explains it",
        "look for a security module's refusal: sudo dmesg | tail (a chroot refuses too)",
    )


def _not_linux(readings: Readings) -> Cause:
    where = "run netlab on Linux, in a virtual machine or in WSL 2"
    return Cause(f"{readings.system} has no network namespaces", where)


def _old_kernel(readings: Readings) -> Cause:
    return Cause(
        f"Linux {readings.release} is older than {OLDEST_KERNEL} (it lacks mount_setattr)",
        "install a newer kernel and boot it",
    )


def _limit(readings: Readings) -> Cause:
    if readings.zero_limits:
        name = readings.zero_limits[0]
        return Cause(f"{name} is 0", f"sudo sysctl -w {name}=10000")
    return Cause(
        "a limit user.max_*_namespaces is used up, or user namespaces are nested 32 deep",
        "stop other labs (netlab ps), or: sudo sysctl -w user.max_user_namespaces=100000",
    )


def _masked_proc(readings: Readings) -> Cause:
    where = readings.container or "something"
    return Cause(
        f"{where} has mounted over parts of /proc, and a sandbox may not see more than you do",
        _container_cure(readings),
    )


def _container_cure(readings: Readings) -> str:
    own = {
        "Podman": "podman run --security-opt seccomp=unconfined "
        "--security-opt label=disable --security-opt unmask=ALL …",
    }
    docker = (
        "docker run --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined --security-opt systempaths=unconfined …"
    )
    return f"{own.get(readings.container or '', docker)} (start the container so)"


def _debian_sysctl(readings: Readings) -> Cause | None:
    if readings.userns_clone != 0 or readings.privileged:
        return None
    return Cause(
        "kernel.unprivileged_userns_clone is 0: only root may make user namespaces",
        "sudo sysctl -w kernel.unprivileged_userns_clone=1 "
        "(until the next boot; a line in /etc/sysctl.d keeps it)",
    )


def _apparmor(readings: Readings) -> Cause | None:
    if readings.apparmor_restricts != 1 or readings.privileged:
        return None
    return Cause(
        "AppArmor takes away what a user namespace gives (kernel.apparmor_restrict_unprivileged_userns is 1)",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 "
        "(until the next boot; it lifts a protection from every program: "
        "an AppArmor profile with “userns,” for this Python alone is the narrower way)",
    )


def _seccomp_in_container(readings: Readings) -> Cause | None:
    return _seccomp(readings) if readings.container else None


def _seccomp(readings: Readings) -> Cause | None:
    if readings.seccomp != 2:
        return None
    if readings.container:
        return Cause(f"{readings.container}'s seccomp profile forbids namespaces", _container_cure(readings))
    return Cause(
        "a seccomp filter that came with this shell forbids namespaces",
        "start netlab from a plain login shell, outside the service or sandbox that set the filter",
    )


def _kernel(readings: Readings) -> Finding:
    name = "Linux kernel"
    if readings.system != "Linux":
        cause = _not_linux(readings)
        return Finding(name, "no", True, cause.why, cause.cure)
    if readings.mount_setattr == errno.ENOSYS:
        cause = _old_kernel(readings)
        return Finding(name, "no", True, cause.why, cause.cure)
    return Finding(name, "yes", True, f"{readings.release}, has mount_setattr ({OLDEST_KERNEL} or newer)")


def _python(readings: Readings) -> Finding:
    found = ".".join(map(str, readings.python))
    if readings.python >= OLDEST_PYTHON:
        return Finding("Python", "yes", True, found)
    return Finding(
        "Python", "no", True, f"{found}, and 3.11 is needed", "make distclean lab-dns PYTHON=python3.11"
    )


def _sandbox_step(step: str, name: str, readings: Readings) -> Finding:
    code = readings.tried.get(step)
    if code is None:
        return Finding(name, "unknown", True, "not tried: an earlier step was refused")
    if code == 0:
        return Finding(name, "yes", True, "tried")
    cause = _cause(readings, code, "unshare" if step == "namespaces" else step)
    return Finding(name, "no", True, f"{os.strerror(code)}: {cause.why}", cause.cure)


def _switch(name: str, obstacle: Callable[[Readings], Cause | None], readings: Readings) -> Finding:
    """Count an obstacle only where the sandbox really was refused: a profile may exempt this Python."""
    cause = obstacle(readings)
    if cause is None:
        return Finding(name, "yes", True, "not in the way")
    if readings.sandbox_stands:
        return Finding(name, "yes", True, "set, and does not hinder this Python")
    return Finding(name, "no", True, cause.why, cause.cure)


def _limits(readings: Readings) -> Finding:
    if not readings.zero_limits:
        return Finding("namespace limits", "yes", True, "none of user.max_*_namespaces is 0")
    cause = _limit(readings)
    return Finding("namespace limits", "no", True, cause.why, cause.cure)


def _feature(feature: str, module: str, use: str, readings: Readings) -> Finding:
    """Judge a part of the kernel that a lab uses; netem has a stand-in, and few labs translate addresses."""
    needed = feature not in ("netem", "nf_nat")
    code = readings.tried.get(feature)
    if code is None:
        return Finding(feature, "unknown", needed, "not tried: it needs a sandbox")
    if code == 0:
        return Finding(feature, "yes", needed, f"tried: {use}")
    cure = f"sudo modprobe {module} (where the kernel has it as a module)"
    return Finding(feature, "no", needed, f"{os.strerror(code)}: {use}", cure)


def _files(readings: Readings) -> Finding:
    """Judge the hard limit: a sandbox raises its own soft limit to it."""
    detail = f"{readings.open_files} at most; a lab of 1000 nodes needs {FILES_FOR_1000_NODES}"
    if readings.open_files >= FILES_FOR_1000_NODES:
        return Finding("open files", "yes", False, detail)
    cure = "sudo prlimit --nofile=4096 --pid $$ (for this shell and what it starts)"
    return Finding("open files", "no", False, detail, cure)


def _docker(readings: Readings) -> Finding:
    answer = readings.docker
    if answer.engine is not None:
        return _engine(answer.engine, answer.host)
    what = f"no engine answers at {answer.host}"
    spare = "only `--backend docker` needs one"
    match answer.code:
        case errno.EPROTONOSUPPORT:
            what = f"not asked: {answer.host} is for the Docker SDK to reach"
            return Finding("Docker", "unknown", False, what)
        case errno.EACCES | errno.EPERM:
            what = f"the socket {answer.host} is not yours to open"
            cure = 'sudo usermod -aG docker "$USER" and log in anew (that group is as good as root)'
        case errno.ECONNREFUSED | errno.ETIMEDOUT:
            usual = "sudo systemctl restart docker"
            cure = usual if answer.host == USUAL else "start the engine there, or unset DOCKER_HOST"
        case errno.EPROTO:
            what = f"what answers at {answer.host} is no container engine"
            cure = "point DOCKER_HOST at an engine's socket"
        case _:
            cure = "install Docker Engine, or point DOCKER_HOST at its socket"
    return Finding("Docker", "no", False, f"{what} — {spare}", cure)


def _engine(engine: Engine, host: str) -> Finding:
    api = ".".join(map(str, engine.api))
    words = [f"{engine.name} {engine.version}", f"API {api}"]
    words += ["rootless"] if engine.rootless else []
    words += [f"cgroup v{engine.cgroups}"] if engine.cgroups else []
    detail = f"{', '.join(words)}, at {host}"
    if engine.api < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        cure = "install Docker Engine 20.10 or newer, or Podman 4"
        return Finding("Docker", "no", False, f"{detail}: too old, API {oldest} is needed", cure)
    if engine.limitless:
        detail += f"; it cannot limit a container's {', '.join(engine.limitless)}"
    return Finding("Docker", "yes", False, detail)


def _image(readings: Readings) -> Finding:
    name, own, engine = "netlab's image", readings.image, readings.docker.engine
    if engine is None or own is None or engine.has_image is None:
        return Finding(name, "unknown", False, "not known: only an engine that answers can tell")
    if engine.sources == own.digest:
        return Finding(name, "yes", False, own.name)
    other = f"{own.name} was made of other sources than this netlab's"
    detail = other if engine.has_image else f"the engine has no image {own.name}"
    return Finding(name, "no", False, detail, "netlab image build")


def _tool(tool: str, readings: Readings) -> Finding:
    if path := readings.tools.get(tool):
        return Finding(tool, "yes", False, path)
    column, installer = _INSTALLERS.get(readings.family, (0, ""))
    package = PACKAGES[tool][column]
    cure = f"sudo {installer} {package}" if installer else f"install the package that brings {tool}"
    return Finding(tool, "no", False, "not installed, so no node has it", cure)


PROBES: tuple[Callable[[Readings], Finding], ...] = (
    _kernel,
    _python,
    partial(_sandbox_step, "unshare", "user namespace"),
    partial(_sandbox_step, "map", "user map"),
    partial(_switch, "Debian's user namespace switch", _debian_sysctl),
    partial(_switch, "AppArmor", _apparmor),
    partial(_switch, "seccomp", _seccomp),
    _limits,
    partial(_sandbox_step, "namespaces", "namespaces"),
    partial(_sandbox_step, "files", "private mounts"),
    partial(_sandbox_step, "readonly", "read-only file system"),
    partial(_sandbox_step, "proc", "own /proc"),
    partial(_sandbox_step, "devices", "own /dev"),
    partial(_sandbox_step, "locked", "locked mounts"),
    partial(_sandbox_step, "ambient", "ambient capabilities"),
    partial(_feature, "veth", "veth", "links between nodes"),
    partial(_feature, "bridge", "bridge", "switches"),
    partial(_feature, "packet sockets", "af_packet", "captures and crafted packets"),
    partial(_feature, "nf_tables", "nf_tables", "a node's firewall rules"),
    partial(_feature, "nf_nat", "-a nft_ct nft_chain_nat nft_masq nft_nat", "NAT, rules about connections"),
    partial(_feature, "netem", "sch_netem", "delay and loss at high rates"),
    _files,
    _docker,
    _image,
    *(partial(_tool, tool) for tool in PACKAGES),
)
