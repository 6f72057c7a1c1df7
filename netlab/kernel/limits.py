"""What a process may use, as rlimits (setrlimit(2)): what it starts inherits them, and cannot raise them."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

from netlab.topology.given import Limits


def apply(limits: Limits, *, beyond_own_memory: bool = False) -> None:
    """Limit this process, for good. The memory may count from what it has already, as a fork's does.

    The kernel counts a user's processes, not a process's children: of them, as many may come as there may
    be beside those that the user has now.
    """
    if limits.processes is not None and (now := _count_processes()) is not None:
        _limit(resource.RLIMIT_NPROC, now + limits.processes - 1)
    if limits.cpu_seconds is not None:
        # SIGXCPU, which a program may heed, and a second later SIGKILL.
        _limit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1)
    if limits.files is not None:
        _limit(resource.RLIMIT_NOFILE, limits.files)
    if limits.memory is not None:
        _limit(resource.RLIMIT_AS, limits.memory + (_own_memory() if beyond_own_memory else 0))


def can_limit_processes() -> bool:
    """Say whether the kernel heeds a limit of processes here; to root it does not (fork(2), EAGAIN)."""
    return not _can_fork(0)


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    allowed = resource.getrlimit(which)[1]
    hard = soft if hard is None else hard
    if allowed != resource.RLIM_INFINITY:
        soft, hard = min(soft, allowed), min(hard, allowed)
    resource.setrlimit(which, (soft, hard))


def _own_memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split(maxsplit=1)[0])
    return pages * resource.getpagesize()


def _count_processes() -> int | None:
    """Return the processes and threads that the kernel counts as this user's; None where it does not limit.

    Nothing tells that number, which is one of the user namespace or of the machine (before Linux 5.14): it
    is found by the limits under which one more can be forked, from what /proc shows.
    """
    if _can_fork(0):
        return None
    tasks = sum(_threads(entry) for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208 — names
    low, high = 0, tasks + 1
    while not _can_fork(high):
        low, high = high, 2 * high
    if low == 0 and high > 1 and not _can_fork(high - 1):
        low = high - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _can_fork(middle) else (middle, high)
    return high - 1


def _threads(process: str) -> int:
    try:
        return len(os.listdir(f"/proc/{process}/task"))  # noqa: PTH208 — they are counted
    except OSError:  # it has ended
        return 0


def _can_fork(limit: int) -> bool:
    """Say whether a process can be forked under a limit of processes."""
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    hard = before[1]
    if hard != resource.RLIM_INFINITY and limit >= hard:
        return True  # no more can be asked for
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, hard))
    try:
        child = os.fork()
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise
        return False
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, before)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True
