"""Read and try what `netlab.kernel.probes` judges: sysctls, limits, and a sandbox made in a forked child."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import resource
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from netlab.errors import MachineError
from netlab.kernel import syscalls
from netlab.kernel.engine import Answer, ask

TOOLS = ("dig", "curl", "ping", "tcpdump", "tshark", "nft")

_CAP_SYS_ADMIN = 21
_LIMITS = ("user", "net", "mnt", "pid", "uts", "ipc")
# Debian keeps nft and tcpdump where an ordinary user's PATH does not look.
_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class OwnImage:
    """netlab's own container image: its name, and the digest of the sources that it should be made of."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read and tried; None or absent where the machine has no such thing, or it was not tried.

    `tried` maps a step or feature to the errno that it met (0: it worked). `mount_setattr` is such an errno
    too. `zero_limits` names the sysctls user.max_*_namespaces that are 0; `privileged` is
    the machine's own CAP_SYS_ADMIN; `seccomp` the mode in /proc/self/status (2: a filter); `open_files`
    the hard limit; `image` what `docker` was asked for.
    """

    system: str = "Linux"
    release: str = ""
    python: tuple[int, int] = (3, 11)
    family: str = ""
    privileged: bool = False
    userns_clone: int | None = None
    apparmor_restricts: int | None = None
    zero_limits: tuple[str, ...] = ()
    seccomp: int = 0
    container: str | None = None
    masked_proc: bool = False
    mount_setattr: int = 0
    tried: Mapping[str, int] = field(default_factory=dict)
    open_files: int = 1024
    docker: Answer = Answer()  # noqa: RUF009 — it is frozen
    image: OwnImage | None = None
    tools: Mapping[str, str] = field(default_factory=dict)

    @property
    def sandbox_stands(self) -> bool:
        """Whether every step of making a sandbox worked; its last is "ambient"."""
        return self.tried.get("ambient") == 0


def read(image: OwnImage | None = None) -> Readings:
    """Read and try everything; forks, and takes about half a second. Engines are asked for `image`."""
    return replace(
        read_restrictions(),
        tried=try_sandbox(),
        mount_setattr=_errno_of(_touch_mount_setattr),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        docker=ask(image.name if image else ""),
        image=image,
        tools={tool: found for tool in TOOLS if (found := _which(tool))},
    )


def read_restrictions() -> Readings:
    """Read the files that tell what forbids a sandbox, and try nothing."""
    status = _status()
    return Readings(
        system=platform.system(),
        release=platform.release(),
        python=sys.version_info[:2],
        family=_family(),
        privileged=_is_privileged(status),
        userns_clone=_number("/proc/sys/kernel/unprivileged_userns_clone"),
        apparmor_restricts=_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        zero_limits=tuple(
            f"user.max_{kind}_namespaces"
            for kind in _LIMITS
            if _number(f"/proc/sys/user/max_{kind}_namespaces") == 0
        ),
        seccomp=int(status.get("Seccomp", "0")),
        container=_container(),
        masked_proc=_is_proc_masked(),
    )


def try_sandbox() -> dict[str, int]:
    """Make a sandbox step by step in a child, then try the kernel's features in it.

    Maps step to errno, 0 for success; steps after a refused one are absent. The child's end takes all away.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _never_return(lambda: _make_sandbox(writer))
    os.close(writer)
    with os.fdopen(reader) as report:
        lines = report.read().splitlines()
    os.waitpid(child, 0)
    return {name: int(code) for name, code in (line.rsplit(" ", 1) for line in lines)}


def _errno_of(step: Callable[[], object]) -> int:
    try:
        step()
    except OSError as error:
        return error.errno or errno.ETIMEDOUT
    return 0


def _never_return(body: Callable[[], object]) -> None:
    # A forked child must not run the parent's exit handlers, nor show its traceback.
    try:
        body()
    finally:
        os._exit(0)


def _report(writer: int, name: str, step: Callable[[], object]) -> bool:
    code = _errno_of(step)
    os.write(writer, f"{name} {code}\n".encode())
    return code == 0


def _make_sandbox(writer: int) -> None:
    user, group = os.geteuid(), os.getegid()
    others = (
        syscalls.CLONE_NEWNET
        | syscalls.CLONE_NEWNS
        | syscalls.CLONE_NEWPID
        | syscalls.CLONE_NEWUTS
        | syscalls.CLONE_NEWIPC
    )
    made = (
        _report(writer, "unshare", lambda: syscalls.unshare(syscalls.CLONE_NEWUSER))
        and _report(writer, "map", lambda: _map(user, group))
        and _report(writer, "namespaces", lambda: syscalls.unshare(others))
    )
    if not made:
        return
    # Only a process born after unshare(CLONE_NEWPID) is in the new namespace and may mount its /proc.
    first = os.fork()
    if first == 0:
        _never_return(lambda: _finish_sandbox(writer))
    os.waitpid(first, 0)


def _finish_sandbox(writer: int) -> None:
    private = syscalls.MS_REC | syscalls.MS_PRIVATE
    guarded = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    stands = (
        _report(writer, "files", lambda: syscalls.mount("none", "/", flags=private))
        and _report(writer, "readonly", _make_read_only)
        and _report(writer, "proc", lambda: syscalls.mount("proc", "/proc", "proc", guarded))
        and _report(writer, "devices", _make_devices)
        and _report(writer, "locked", _lock)
        and _report(writer, "ambient", syscalls.raise_ambient_capabilities)
    )
    if stands:
        _try_features(writer)


def _make_read_only() -> None:
    syscalls.mount_setattr("/", set_=syscalls.MOUNT_ATTR_RDONLY, recursive=True)


def _lock() -> None:
    """Go into a second user namespace, in which the mounts cannot be changed."""
    user, group = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET)
    _map(user, group)


def _make_devices() -> None:
    flags = syscalls.MS_NOSUID | syscalls.MS_NOEXEC
    syscalls.mount("tmpfs", "/dev", "tmpfs", flags)
    Path("/dev/pts").mkdir()
    syscalls.mount("devpts", "/dev/pts", "devpts", flags, "newinstance")


def _map(user: int, group: int) -> None:
    # Without CAP_SETGID outside, a group map is taken only after setgroups is given up (user_namespaces(7)).
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _try_features(writer: int) -> None:
    _report(writer, "packet sockets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close())
    _report(writer, "veth", lambda: _as_oserror(_try_veth))
    _report(writer, "bridge", lambda: _as_oserror(_try_bridge))
    _report(writer, "nf_tables", lambda: _as_oserror(_try_table))
    _report(writer, "nf_nat", _try_nat)
    _report(writer, "netem", lambda: _as_oserror(_try_netem))


def _as_oserror(attempt: Callable[[], None]) -> None:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        attempt()
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error


def _try_veth() -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        ip.link("add", ifname="try0", kind="veth", peer="try1")


def _try_bridge() -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        ip.link("add", ifname="trybridge", kind="bridge")


def _try_netem() -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        ip.tc("add", "netem", index=1, handle="1:", delay=1000)


def _try_table() -> None:
    from pyroute2.nftables.main import NFTables

    with NFTables() as nft:
        nft.table("add", name="try")


def _try_nat() -> None:
    from netlab.kernel import firewall
    from netlab.plan.model import Rule

    rule = Rule("try", "", "postrouting", "", (("state", "new"),), "masquerade")
    try:
        firewall.apply([rule])
    except MachineError as error:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP)) from error


def _touch_mount_setattr() -> None:
    """Ask for nothing, of a path that is not there: ENOSYS where the kernel lacks the call, else harmless."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        syscalls.mount_setattr("/proc/self/none")


def _which(tool: str) -> str | None:
    return shutil.which(tool) or shutil.which(tool, path=_ADMIN_PATH)


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None


def _status() -> dict[str, str]:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _is_privileged(status: Mapping[str, str]) -> bool:
    """Whether CAP_SYS_ADMIN is held over the machine; inside a user namespace, holding it says nothing."""
    try:
        extents = Path("/proc/self/uid_map").read_text().split()
    except OSError:
        return False
    whole = extents == ["0", "0", str(2**32 - 1)]
    return whole and bool(int(status.get("CapEff", "0"), 16) >> _CAP_SYS_ADMIN & 1)


def _container() -> str | None:
    if Path("/run/.containerenv").exists():
        return "Podman"
    if Path("/.dockerenv").exists():
        return "Docker"
    marked = {"container", "KUBERNETES_SERVICE_HOST"} & os.environ.keys()
    return "the container" if marked else None


def _is_proc_masked() -> bool:
    """Whether something is mounted below /proc; binfmt_misc has a directory of its own, and hides nothing."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    points = (line.split(" ")[4] for line in mounts)
    return any(p.startswith("/proc/") and p != "/proc/sys/fs/binfmt_misc" for p in points)


def _family() -> str:
    """Return this distribution's kin by os-release: "debian", "fedora" or "arch", or "" for another."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    kin = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    return next((name for name in ("debian", "fedora", "arch") if name in kin), "")
