"""Short-lived children among a node's programs: they write, read and run there, and report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from netlab.backends.inside import programs
from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import LabError
from netlab.kernel import process


def write(
    node: NodeSpace,
    files: Iterable[tuple[str, str]],
    links: Iterable[tuple[str, str]] = (),
    without: Iterable[str] = (),
) -> None:
    """Write files (path → text) and links (path → target), with the directories that they need.

    Directories that are to be `without` are removed. LabError where that cannot be.
    """

    def body() -> bytes:
        for path in without:
            shutil.rmtree(path, ignore_errors=True)
        for path, text in files:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
        for path, target in links:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).unlink(missing_ok=True)
            Path(path).symlink_to(target)
        return b""

    _do(node, body)


def append(node: NodeSpace, paths: Iterable[str], data: bytes) -> None:
    """Add to the end of those files that are there; LabError where that cannot be."""

    def body() -> bytes:
        for path in map(Path, paths):
            if path.exists():
                with path.open("ab") as file:
                    file.write(data)
        return b""

    _do(node, body)


def read(node: NodeSpace, path: str) -> bytes:
    """Return what a file holds; LabError where it cannot be read."""
    return _do(node, Path(path).read_bytes)


def run(
    node: NodeSpace, argv: tuple[str, ...], directory: str, environment: Mapping[str, str]
) -> tuple[int, str]:
    """Run a command to its end; return its status, and what it said on both its outputs."""
    said, say = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)

    def body() -> int:
        process.take_stdio((null, say, say), terminal=False)
        programs.become(node, process.Command(argv, directory, environment), limited=False)
        return 1

    node.prepare()
    child = process.fork(body)
    os.close(say)
    os.close(null)
    with os.fdopen(said, "rb") as told:
        text = told.read().decode(errors="replace")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def _do(node: NodeSpace, body: Callable[[], bytes]) -> bytes:
    """Return what a child that has entered the node's programs returns; LabError where it fails."""
    said, say = os.pipe()

    def child() -> int:
        node.enter_programs(process.Command((), "/", {}))
        try:
            answer = b"+" + body()
        except OSError as error:
            answer = f"-{error.filename}: {error.strerror}".encode()
        with os.fdopen(say, "wb") as file:
            file.write(answer)
        return 0

    node.prepare()
    pid = process.fork(child)
    os.close(say)
    with os.fdopen(said, "rb") as told:
        answer = told.read()
    os.waitpid(pid, 0)
    if not answer.startswith(b"+"):
        what = f"in node {node.plan.name}, {answer[1:].decode(errors='replace') or 'nothing can be done'}"
        raise LabError(what, "see `netlab doctor`")
    return answer[1:]
