"""A node from inside: the network namespace it is, the mount and UTS namespaces it gets when first used."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from netlab.backends.inside import authorities, laying
from netlab.errors import LabError
from netlab.kernel import nft_swap, process
from netlab.kernel import syscalls as sc
from netlab.kernel.seccomp import refuse_user_namespaces
from netlab.plan.model import PlannedNode

FILES = Path("/run/netlab/nodes")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where a container's commands find their files, and what they start with besides the caller's words.

    `first` is the pidfd of its first process, with which it ends.
    """

    mounts: int
    environment: Mapping[str, str]
    directory: str
    first: int


@dataclass(slots=True)
class NodeSpace:
    """The namespaces of one node, held by descriptor; `mounts` and `uts` are made on first use.

    In a container, `capabilities` are all that its processes keep, and `programs` the container's own;
    `first` is the pidfd of its first process, and `lost` says what became of it. `store` is the directory of
    the files that the topology gives it: another one when these become others. `nft` is what its rules in
    nft's language have made.
    """

    plan: PlannedNode
    network: int
    mounts: int | None = None
    uts: int | None = None
    capabilities: tuple[str, ...] | None = None
    programs: Programs | None = None
    first: int | None = None
    lost: str = ""
    store: str = "given"
    nft: nft_swap.Made = field(default_factory=nft_swap.Made)

    def prepare(self) -> None:
        """Make the node's mount and UTS namespaces, unless they are there.

        A short-lived child makes them, so that the supervisor never leaves its own.
        """
        if self.mounts is not None:
            return
        made, ready = os.pipe()
        done, finish = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(made)
            os.close(finish)
            _make_in_child(self, ready, done)
        os.close(ready)
        os.close(done)
        said = os.read(made, 4096)
        os.close(made)
        try:
            if said != b"m":
                _raise_packed(said or b"its child was killed", self.plan.name)
            self.mounts = os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            self.uts = os.open(f"/proc/{child}/ns/uts", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(finish)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)

    def descriptors(self) -> tuple[int, int, int]:
        """Return network, UTS and mount descriptors, in the order in which `enter` wants them."""
        self.prepare()
        assert self.mounts is not None
        assert self.uts is not None
        return self.network, self.uts, self.mounts

    def enter(self) -> None:
        """Put this process into the node, among netlab's own files; for a child that will not come back."""
        enter(self.descriptors(), self.capabilities)

    def enter_programs(self, command: process.Command) -> process.Command:
        """Put this process where the node's commands are; return the command as it is there."""
        network, uts, mounts = self.descriptors()
        if self.programs is None:
            enter((network, uts, mounts), self.capabilities)
            return command
        enter((network, uts, self.programs.mounts), self.capabilities)
        directory = command.directory or self.programs.directory
        with contextlib.suppress(OSError):  # it is then said that it cannot be seen
            Path(directory).mkdir(parents=True, exist_ok=True)
        environment = {**self.programs.environment, **command.environment}
        return replace(command, directory=directory, environment=environment)


def enter(descriptors: tuple[int, int, int], capabilities: Iterable[str] | None) -> None:
    """Put this process into a node, with these capabilities left, or all of them."""
    network, uts, mounts = descriptors
    sc.setns(network, sc.CLONE_NEWNET)
    sc.setns(uts, sc.CLONE_NEWUTS)
    sc.setns(mounts, sc.CLONE_NEWNS)
    if capabilities is not None:
        sc.keep_capabilities(capabilities)
        refuse_user_namespaces()


def write_files(node: NodeSpace) -> None:
    """Write the node's files in its own file system, a container's: /etc/hosts and the like.

    LabError where that cannot be.
    """

    def body() -> int:
        node.enter()
        _open_root()
        for path, text in node.plan.files:
            Path(path).write_text(text)
        return 0

    if os.waitpid(process.fork(body), 0)[1]:
        raise LabError(f"the files of node {node.plan.name} cannot be written", "see `netlab doctor`")
    if node.plan.provisions.files:
        write_given(node)


def write_given(node: NodeSpace) -> None:
    """Write what the topology gives the node into its programs' file system; LabError where that fails."""
    said, say = os.pipe()

    def body() -> int:
        node.enter_programs(process.Command((), "/", {}))
        _open_root()
        try:
            laying.write(node.plan.provisions.files, node.plan.name)
        except LabError as error:
            os.write(say, _packed(error))
        return 0

    child = process.fork(body)
    os.close(say)
    with os.fdopen(said, "rb") as told:
        _raise_packed(told.read(), node.plan.name)
    os.waitpid(child, 0)


def _open_root() -> None:
    """Let directories be made in a container's root, which Podman makes read-only for its owner too."""
    root = Path("/")
    with contextlib.suppress(OSError):  # an image's may be another user's: what needs it says so
        root.chmod(root.stat().st_mode | stat.S_IWUSR)


def _packed(error: LabError) -> bytes:
    return json.dumps([error.what, error.hint]).encode()


def _raise_packed(said: bytes, name: str) -> None:
    """Raise the LabError that a child has said; nothing happens if it said nothing."""
    if said.startswith(b"["):
        raise LabError(*json.loads(said))
    if said:
        raise LabError(f"cannot prepare node {name}: {said.decode()}", "see `netlab doctor`")


def _make_in_child(node: NodeSpace, ready: int, done: int) -> None:
    plan = node.plan
    try:
        sc.setns(node.network, sc.CLONE_NEWNET)
        sc.unshare(sc.CLONE_NEWNS | sc.CLONE_NEWUTS)
        socket.sethostname(plan.name)
        for path, text in plan.files:
            _lay_over(FILES / plan.name / path.lstrip("/"), text, Path(path))
        if plan.trusts:
            authorities.lay_over()
        laying.lay_over(plan.provisions.files, FILES / plan.name / node.store, plan.name)
        # A container may forbid a new sysfs; only tools that list /sys/class/net would notice.
        with contextlib.suppress(OSError):
            sc.mount("sysfs", "/sys", "sysfs", sc.MS_NOSUID | sc.MS_NODEV | sc.MS_NOEXEC | sc.MS_RDONLY)
        os.write(ready, b"m")
        os.read(done, 1)
    except LabError as error:
        os.write(ready, _packed(error))
    except OSError as error:
        os.write(ready, f"{error.filename or ''}: {error.strerror}".encode())
    finally:
        os._exit(0)


def _lay_over(source: Path, text: str, target: Path) -> None:
    """Bind a file with `text` over `target`, wherever that name leads: /etc/resolv.conf is often a link."""
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    target = target.resolve()
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    sc.mount(str(source), str(target), flags=sc.MS_BIND)
