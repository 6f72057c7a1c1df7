"""The sandbox: one unprivileged process tree with its own user, network, mount, PID, IPC and UTS namespaces.

Two processes make it. The *keeper* stays outside the PID namespace and waits; the *init*, PID 1 of the
namespace, runs what the caller gives. When init ends, for any reason, the kernel ends everything inside:
there is nothing to clean up. Each dies with its parent, so a killed caller takes all with it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import signal
import stat
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from netlab.kernel import syscalls as sc

# The mounts are arranged in an outer user namespace, and the lab lives in an inner one: what a mount
# namespace inherits from a more privileged owner is locked, so no capability in the lab can undo it.
OUTER = sc.CLONE_NEWUSER | sc.CLONE_NEWPID
INNER = sc.CLONE_NEWUSER | sc.CLONE_NEWNS | sc.CLONE_NEWNET | sc.CLONE_NEWIPC | sc.CLONE_NEWUTS
# Directories that the sandbox replaces by private, empty, writable ones.
PRIVATE = ("/tmp", "/var/tmp", "/run")  # noqa: S108 — these are names of mount points, not of files
# Files of proc that are the whole machine's, below /proc.
GUARDED = ("bus", "fs", "irq", "sys", "sysrq-trigger")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


@dataclass(frozen=True, slots=True)
class View:
    """What of the file system must stay visible under the private directories, and what may be written to."""

    visible: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()


def spawn(inside: Callable[[], None], view: View, *, keep: Sequence[int], owned: bool) -> int:
    """Make a sandbox, run `inside` as its PID 1, and return the keeper's pid (a child of the caller).

    `keep` are the only descriptors that init keeps. An `owned` sandbox ends with the thread that called.
    Raises OSError where the kernel refuses; its `filename` is the call or the path that it refused.
    """
    answer, report = os.pipe()
    mapped, go = os.pipe()
    maps = _maps()
    with warnings.catch_warnings():
        # Python 3.12 warns where the caller has threads: the child calls nothing that could wait for theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        keeper = os.fork()
    if keeper == 0:
        os.close(answer)
        os.close(go)
        _forked(lambda: _keep(inside, view, (*keep, report), mapped, maps, owned=owned), report)
    os.close(report)
    os.close(mapped)
    try:
        if os.read(answer, 1) == b"u":
            _write(maps, keeper)
            os.write(go, b"m")
        _raise_reported(answer)
    except BaseException:
        os.kill(keeper, signal.SIGKILL)
        os.waitpid(keeper, 0)
        raise
    finally:
        os.close(answer)
        os.close(go)
    return keeper


def _forked(body: Callable[[], None], report: int) -> None:
    """Run `body` in a forked child that must never return into the caller's code."""
    try:
        body()
        os._exit(0)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(report, f"e{error.errno or 0}\t{error.filename or ''}".encode())
    except BaseException:
        with contextlib.suppress(OSError):
            os.write(report, f"e0\t{traceback.format_exc()}".encode())
    finally:
        os._exit(1)


def _raise_reported(answer: int) -> None:
    """Read what the children say until they close the pipe: b"i" from init is success."""
    said = b""
    while chunk := os.read(answer, 65536):
        said += chunk
    text = said.decode(errors="replace")
    if text == "i":
        return
    number, _, where = text.removeprefix("e").partition("\t")
    if number == "0" or not number.isdigit():
        raise RuntimeError(where or "the sandbox ended before it began")
    raise OSError(int(number), os.strerror(int(number)), where)


Maps = tuple[tuple[str, str], ...]


def _maps() -> Maps:
    """Map the user to itself; root, who may, keeps all the ids it has. Files of /proc/PID, with their text.

    Daemons that see uid 0 drop privileges with setgroups and setuid, which a one-id map refuses:
    so an ordinary user must not become root inside, and root needs the other ids.
    """
    if os.geteuid() != 0:
        group, user = os.getegid(), os.geteuid()
        return ("setgroups", "deny"), ("gid_map", f"{group} {group} 1"), ("uid_map", f"{user} {user} 1")
    return tuple((name, _identity(Path("/proc/self", name).read_text())) for name in ("gid_map", "uid_map"))


def _identity(own: str) -> str:
    """Return the map that gives a child namespace the ids of one's own, from one's own map."""
    extents = (line.split() for line in own.splitlines())
    return "\n".join(f"{first} {first} {count}" for first, _, count in extents)


def _write(maps: Maps, pid: int) -> None:
    for name, text in maps:
        Path(f"/proc/{pid}", name).write_text(text)


def _keep(
    inside: Callable[[], None], view: View, keep: Sequence[int], mapped: int, maps: Maps, *, owned: bool
) -> None:
    """Be the keeper: unshare, wait for the maps, start init and write its own, wait for its end."""
    report = keep[-1]
    caller = os.getppid()
    gc.freeze()  # a file of the caller's that is garbage would close its number, which means another one here
    os.setsid()
    sc.set_process_name("netlab-keeper")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    sc.unshare(OUTER)
    if owned:
        sc.die_with_parent(signal.SIGKILL)
        if os.getppid() != caller:
            os._exit(1)
    os.write(report, b"u")
    if os.read(mapped, 1) != b"m":
        os._exit(1)
    alive, held = os.pipe()
    asked, ask = os.pipe()
    null = os.open("/dev/null", os.O_RDWR)
    init = os.fork()
    if init == 0:
        os.close(held)
        os.close(asked)
        _forked(lambda: _init(inside, view, keep, (alive, ask), null), report)
    _close_all_but((held, asked), null)
    # Only who stands outside a user namespace may give it more than one id.
    if os.read(asked, 1) == b"u":
        _write(maps, init)
        os.write(held, b"m")
    _, status = os.waitpid(init, 0)
    os._exit(min(255, os.waitstatus_to_exitcode(status) % 256))


def _init(
    inside: Callable[[], None], view: View, keep: Sequence[int], keeper: tuple[int, int], null: int
) -> None:
    """Be PID 1: arrange the file system as the view says, lock it, hold every capability, run what was given.

    `keeper` are a pipe from it, which ends with it, and one to it.
    """
    report = keep[-1]
    alive, ask = keeper
    sc.die_with_parent(signal.SIGKILL)
    # The keeper may have ended between fork and prctl; then the other end of this pipe is gone.
    poll = select.poll()
    poll.register(alive, select.POLLIN)
    if poll.poll(0):
        os._exit(1)
    sc.set_process_name("netlab-init")
    sc.unshare(sc.CLONE_NEWNS)
    _remount(view)
    # Held until the end: to take these mounts apart costs a millisecond, which nobody waits for then.
    outer = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    sc.unshare(INNER)
    os.write(ask, b"u")
    if os.read(alive, 1) != b"m":
        os._exit(1)
    sc.raise_ambient_capabilities()
    os.chdir("/")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ["NETLAB_NOFILE"] = str(soft)
    _close_all_but((*keep, outer), null)
    os.write(report, b"i")
    os.close(report)
    inside()


def _close_all_but(keep: Iterable[int], null: int) -> None:
    """Close every descriptor but `keep`; the standard three become `null`."""
    for standard in (0, 1, 2):
        if standard not in keep:
            os.dup2(null, standard)
    low = 3
    for descriptor in sorted(fd for fd in keep if fd >= low):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _remount(view: View) -> None:
    """See everything read-only; /tmp, /run and /dev private; bind back what the view asks for."""
    sc.mount("none", "/", flags=sc.MS_REC | sc.MS_PRIVATE)
    paths = (*view.visible, *view.writable)
    held = {path: os.open(path, os.O_PATH) for path in paths}
    devices = {name: os.open(f"/dev/{name}", os.O_PATH) for name in DEVICES}
    sc.mount_setattr("/", set_=sc.MOUNT_ATTR_RDONLY, recursive=True)
    sc.mount("proc", "/proc", "proc", sc.MS_NOSUID | sc.MS_NODEV | sc.MS_NOEXEC)
    if os.geteuid() == 0:
        _guard_kernel()
    for directory in PRIVATE:
        if Path(directory).is_dir() and not Path(directory).is_symlink():
            sc.mount("tmpfs", directory, "tmpfs", sc.MS_NOSUID | sc.MS_NODEV, "mode=1777")
    for path in sorted(view.visible):
        if _is_private(path) and not _is_same(path, held[path]):
            _bind(held[path], path)
    for path in view.writable:
        _bind(held[path], path)
        sc.mount_setattr(str(path), clear=sc.MOUNT_ATTR_RDONLY)
    _cover_sockets(devices["null"])
    _private_devices(devices)
    for descriptor in (*held.values(), *devices.values()):
        os.close(descriptor)


def _guard_kernel() -> None:
    """Make the machine's own parameters read-only: they ask for uid 0, which root's lab has, no more.

    What belongs to a network namespace, /proc/sys/net, stays as it is.
    """
    for name in GUARDED:
        path = f"/proc/{name}"
        if Path(path).exists():
            sc.mount(path, path, flags=sc.MS_BIND | sc.MS_REC)
            sc.mount_setattr(path, set_=sc.MOUNT_ATTR_RDONLY)
    sc.mount("/proc/sys/net", "/proc/sys/net", flags=sc.MS_BIND)
    sc.mount_setattr("/proc/sys/net", clear=sc.MOUNT_ATTR_RDONLY)


def _cover_sockets(null: int) -> None:
    """Cover the machine's Unix sockets: a read-only mount does not keep anyone from connecting to them.

    Those made after the lab started are reachable for who knows them, if they lie where the lab looks.
    """
    lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()
    for path in {Path(line.split(maxsplit=7)[7]) for line in lines if " /" in line}:
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(path.stat().st_mode):
                sc.mount(f"/proc/self/fd/{null}", str(path), flags=sc.MS_BIND)


def _is_private(path: Path) -> bool:
    return any(path.is_relative_to(directory) for directory in PRIVATE)


def _is_same(path: Path, held: int) -> bool:
    """Whether a path, as it is seen now, is what `held` was opened on: bound already with a parent."""
    return path.exists() and os.path.samestat(path.stat(), os.fstat(held))


def _bind(held: int, path: Path) -> None:
    if stat.S_ISDIR(os.fstat(held).st_mode):
        path.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    sc.mount(f"/proc/self/fd/{held}", str(path), flags=sc.MS_BIND | sc.MS_REC)


def _private_devices(devices: dict[str, int]) -> None:
    """Make a small /dev: root's lab must not reach the machine's disks, whose files it could open."""
    sc.mount("tmpfs", "/dev", "tmpfs", sc.MS_NOSUID | sc.MS_NOEXEC, "mode=755")
    for name, held in devices.items():
        _bind(held, Path("/dev", name))
    for name in ("pts", "shm"):
        Path("/dev", name).mkdir()
    flags = sc.MS_NOSUID | sc.MS_NOEXEC
    sc.mount("devpts", "/dev/pts", "devpts", flags, "newinstance,ptmxmode=0666,mode=620")
    sc.mount("tmpfs", "/dev/shm", "tmpfs", flags | sc.MS_NODEV, "mode=1777")  # noqa: S108 — a mount point
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        Path("/dev", name).symlink_to(target)
