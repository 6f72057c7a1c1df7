"""What changes in a node that stays: rules and files, each with the way back.

`applying` puts these steps in order, with those of `retuning`, of the network (`netlab.rewiring`) and of the
services.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from netlab.backends.inside.nodes import FILES, NodeSpace, write_files
from netlab.kernel import namespace, nft_swap, refiltering
from netlab.plan.model import PlannedNode
from netlab.topology.given import GivenFile


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a change; `undo` is right whether `do` came to its end, broke off, or did nothing.

    `subject` and `aspects` are those of the changes that it makes. `settle` lets go of what only `undo`
    needed, once no step can fail any more; it raises nothing.
    """

    subject: str
    aspects: tuple[str, ...]
    do: Callable[[], None]
    undo: Callable[[], None] = lambda: None
    settle: Callable[[], None] = lambda: None


# -- rules -----------------------------------------------------------------------------------------------


def rules(node: NodeSpace, old: PlannedNode, new: PlannedNode) -> Iterator[Step]:
    """Yield what makes netlab's own rules the new ones; those that stay keep their counters."""

    def change(one: PlannedNode, other: PlannedNode) -> None:
        with namespace.entered(node.network):
            refiltering.change(one.rules, other.rules, new.name, alone=not node.nft.mingled)

    if [refiltering.meaning(rule) for rule in old.rules] != [refiltering.meaning(rule) for rule in new.rules]:
        yield _once(new.name, ("rule", "order of rules"), lambda: change(old, new), lambda: change(new, old))


def raw_rules(node: NodeSpace, old: PlannedNode, new: PlannedNode) -> Iterator[Step]:
    """Yield what exchanges the rules that are in nft's language."""
    if old.nft == new.nft:
        return
    was, before = node.nft, ""

    def do() -> None:
        nonlocal before
        with namespace.entered(node.network):
            node.nft, before = nft_swap.swap(was, new.nft, new.name)

    def undo() -> None:
        with namespace.entered(node.network):
            nft_swap.restore(node.nft, before, new.name)
        node.nft = was

    yield _once(new.name, ("nft rules",), do, undo)


def _once(subject: str, aspects: tuple[str, ...], do: Callable[[], None], undo: Callable[[], None]) -> Step:
    """Make a step of what happens as a whole or not at all: what did not happen is not taken back."""
    happened = False

    def noted() -> None:
        nonlocal happened
        do()
        happened = True

    return Step(subject, aspects, noted, lambda: undo() if happened else None)


# -- files -----------------------------------------------------------------------------------------------


def files(node: NodeSpace, old: PlannedNode, new: PlannedNode) -> Iterator[Step]:
    """Yield what makes a node's files the new ones: in place, or for what starts from now on."""
    contents = (old.provisions.files, new.provisions.files)
    if (old.files, contents[0]) == (new.files, contents[1]):
        return
    if node.capabilities is not None:
        write = _in_container(node)
        yield Step(new.name, ("file",), lambda: write(new), lambda: write(old))
        return
    yield Step(new.name, ("file",), lambda: _write_etc(new), lambda: _write_etc(old))
    if paths(contents[0]) == paths(contents[1]):
        yield Step(
            new.name,
            ("file",),
            lambda: _write_given(node, contents[1]),
            lambda: _write_given(node, contents[0]),
        )
    elif node.mounts is not None:
        anew = _Remount(node)
        yield replace(_once(new.name, ("file",), anew.do, anew.undo), settle=anew.settle)


def paths(given: Sequence[GivenFile]) -> list[str]:
    """Return where files are, in their order."""
    return [file.path for file in given]


def _in_container(node: NodeSpace) -> Callable[[PlannedNode], None]:
    def write(plan: PlannedNode) -> None:
        node.plan = plan
        write_files(node)

    return write


def _write_etc(plan: PlannedNode) -> None:
    """Write netlab's own files of a node: in place, for they are bound over the machine's."""
    for path, text in plan.files:
        target = FILES / plan.name / path.lstrip("/")
        if target.exists() and target.read_text() != text:
            target.write_text(text)


def _write_given(node: NodeSpace, given: Sequence[GivenFile]) -> None:
    for number, file in enumerate(given):
        target = FILES / node.plan.name / node.store / str(number)
        if target.exists():
            target.write_bytes(file.data)
            target.chmod(file.mode)


@dataclass(slots=True)
class _Remount:
    """A new mount namespace for a node, in which its files are others; what runs keeps the old one."""

    node: NodeSpace
    before: tuple[int | None, int | None, str] = (None, None, "")

    def do(self) -> None:
        node = self.node
        self.before = (node.mounts, node.uts, node.store)
        node.mounts = node.uts = None
        node.store = _fresh_store(FILES / node.plan.name)
        try:
            node.prepare()
        except BaseException:
            self._put_back()
            raise

    def undo(self) -> None:
        _close((self.node.mounts, self.node.uts))
        self._put_back()

    def settle(self) -> None:
        """Let go of what was before: it lasts as long as what runs in it."""
        _close(self.before[:2])

    def _put_back(self) -> None:
        self.node.mounts, self.node.uts, self.node.store = self.before


def _close(descriptors: Sequence[int | None]) -> None:
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)


def _fresh_store(directory: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return f"given.{len(list(directory.glob('given*')))}"
    return "given"
