"""Network namespaces held by descriptor: make them, enter them, set their parameters, come back.

A namespace lives as long as a descriptor, a process or a mount holds it; here only descriptors do, so that
closing them is all it takes to end it. setns(2) moves the calling thread alone.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from netlab.errors import MachineError
from netlab.kernel.syscalls import CLONE_NEWNET, setns, unshare

# What the process needs descriptors for besides its namespaces: sockets, logs, a terminal, a start's pipes.
SPARE_DESCRIPTORS = 256

_REASONS: Mapping[int, tuple[str, str]] = {
    errno.ENOSPC: (
        "the user's limit of network namespaces is reached",
        "stop other labs, or raise it: `sysctl user.max_net_namespaces`",
    ),
    errno.EPERM: ("it takes CAP_SYS_ADMIN in a user namespace", "run `netlab doctor`"),
    errno.EINVAL: ("this kernel has no network namespaces", "run `netlab doctor`"),
    errno.ENOMEM: ("the kernel is out of memory", "stop other labs, or take fewer nodes"),
    errno.EMFILE: ("this process may open no more files", "raise the limit: `ulimit -Hn`"),
    errno.ENFILE: ("the machine has no more open files to give", "stop other labs"),
}


def current() -> int:
    """Open the thread's own network namespace; the caller closes the descriptor."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def enter(namespace: int) -> None:
    """Move the thread into a network namespace, for good."""
    try:
        setns(namespace, CLONE_NEWNET)
    except OSError as error:
        raise _refused("to enter a network namespace", error) from error


@contextmanager
def returning() -> Iterator[int]:
    """Come back, at the end, to the network namespace of the beginning, whose descriptor is given."""
    home = current()
    try:
        yield home
    finally:
        try:
            setns(home, CLONE_NEWNET)
        finally:
            os.close(home)


@contextmanager
def entered(namespace: int) -> Iterator[None]:
    """Be in a network namespace for a while."""
    with returning():
        enter(namespace)
        yield


def make(names: Iterable[str]) -> dict[str, int]:
    """Make an empty network namespace for each name; the caller closes the descriptors.

    Where one cannot be made, those before it are gone again and MachineError says why.
    """
    wanted = tuple(names)
    allow_descriptors(len(wanted))
    made: dict[str, int] = {}
    with returning():
        for name in wanted:
            try:
                unshare(CLONE_NEWNET)
                made[name] = current()
            except OSError as error:
                close(made)
                raise _refused(f"the network namespace of {name}", error) from error
    return made


def close(namespaces: Mapping[str, int]) -> None:
    """Let go of namespaces; the kernel ends those that nothing else holds."""
    for descriptor in namespaces.values():
        os.close(descriptor)


def interfaces() -> dict[str, int]:
    """Return the ifindexes of the current network namespace by name."""
    return {name: index for index, name in socket.if_nameindex()}


def read_sysctl(key: str) -> str | None:
    """Read a kernel parameter of the current network namespace; None where it has none, or tells none."""
    try:
        return Path(_sysctl(key.removeprefix("-"))).read_text().strip()
    except OSError:
        return None


def has_sysctl(key: str) -> bool:
    """Tell whether the kernel has a parameter."""
    return Path(_sysctl(key)).exists()


def write_sysctl(key: str, value: str, where: str) -> None:
    """Write a kernel parameter of the current network namespace; MachineError names it and `where`.

    As in sysctl.d(5), a key that begins with "-" may be one that this kernel does not have.
    """
    path = _sysctl(key.removeprefix("-"))
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except FileNotFoundError as error:
        if not key.startswith("-"):
            raise MachineError(f"this kernel has no {key} to set in {where}", "see `sysctl -a`") from error
        return
    except OSError as error:
        raise MachineError(f"{key} = {value} is refused in {where}: {error.strerror}") from error
    try:
        os.write(descriptor, value.encode())
    except OSError as error:
        raise MachineError(f"{key} = {value} is refused in {where}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def allow_descriptors(count: int) -> None:
    """Raise the limit of open files, if it must be, so that `count` more can be held."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _sysctl(key: str) -> str:
    # /proc/sys/net is the network namespace of the thread that opens it. A text, not a Path: a lab of a
    # thousand nodes writes fifteen thousand of them.
    return "/proc/sys/" + key.replace(".", "/")


def _refused(what: str, error: OSError) -> MachineError:
    number = error.errno or 0
    reason, hint = _REASONS.get(number, (os.strerror(number), "run `netlab doctor`"))
    return MachineError(f"the kernel refused {what}: {reason}", hint)
