"""What changes in a node that stays: kernel parameters, rules and files, each with the way back.

`applying` puts these steps in order, with those of the network (`netlab.rewiring`) and of the services.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netlab.backends.inside.nodes import FILES, NodeSpace, write_files
from netlab.errors import MachineError
from netlab.kernel import namespace, nft_swap, refiltering
from netlab.plan.model import PlannedNode
from netlab.rewiring import remade
from netlab.topology.given import GivenFile


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a change; `undo` is right whether `do` came to its end, broke off, or did nothing.

    `subject` and `aspects` are those of the changes that it makes.
    """

    subject: str
    aspects: tuple[str, ...]
    do: Callable[[], None]
    undo: Callable[[], None] = lambda: None


# -- kernel parameters -----------------------------------------------------------------------------------

# To write one of these sets others of all interfaces too.
_SWEEPING = {
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.forwarding",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.all.disable_ipv6",
}
_SWEPT = ("net.ipv4.conf.", "net.ipv6.conf.")


@dataclass(slots=True)
class Parameters:
    """The kernel parameters of a node, but those of interfaces that are made anew, which get theirs then."""

    node: NodeSpace
    old: PlannedNode
    new: PlannedNode
    before: list[tuple[str, str]] = field(default_factory=list)

    def step(self) -> Iterator[Step]:
        """Yield the step, if there is anything to do."""
        if self._wanted():
            yield Step(self.new.name, ("sysctl", "forwarding"), self.do, self.undo)

    def _wanted(self) -> dict[str, str | None]:
        """Return what is to be written, by key as `write_sysctl` has it; None for what goes."""
        old, new = _effective(self.old), _effective(self.new)
        anew = _interfaces_anew(self.old, self.new)
        keys = [key for key in (*new, *old) if old.get(key) != new.get(key)]
        if any(key.removeprefix("-") in _SWEEPING for key in keys):
            keys += [key for key in new if key.startswith(_SWEPT)]
        return {key: new.get(key) for key in keys if not anew & set(key.split("."))}

    def do(self) -> None:
        """Write them; those that are no longer given become what a new node would have."""
        wanted = self._wanted()
        unsaid = [key for key, value in wanted.items() if value is None]
        usual = _usual(unsaid, {port.interface for port in self.old.ports}) if unsaid else {}
        with namespace.entered(self.node.network):
            for key, given in wanted.items():
                value = usual[key] if given is None else given
                if (found := namespace.read_sysctl(key)) is not None:
                    self.before.append((key, found))
                namespace.write_sysctl(key, value, self.new.name)

    def undo(self) -> None:
        """Write what was there."""
        with namespace.entered(self.node.network):
            for key, value in self.before:
                namespace.write_sysctl(key, value, self.new.name)


def _effective(node: PlannedNode) -> dict[str, str]:
    """Return a node's parameters as the kernel has them in the end: of one key, the last."""
    found: dict[str, tuple[str, str]] = {}
    for key, value in node.sysctls:
        found[key.removeprefix("-")] = (key, value)
    return dict(found.values())


def _interfaces_anew(old: PlannedNode, new: PlannedNode) -> set[str]:
    before, after = ({port.interface: port for port in node.ports} for node in (old, new))
    both = before.keys() & after.keys()
    return (before.keys() ^ after.keys()) | {name for name in both if remade(before[name], after[name])}


def _usual(keys: Sequence[str], interfaces: set[str]) -> dict[str, str]:
    """Return what parameters are in a namespace that nobody has touched; an interface's is the default's."""
    found = {}
    made = namespace.make(["a node as the kernel makes it"])
    try:
        for descriptor in made.values():
            with namespace.entered(descriptor):
                for key in keys:
                    words = ["default" if word in interfaces else word for word in key.split(".")]
                    value = namespace.read_sysctl(".".join(words))
                    if value is None:
                        raise MachineError(
                            f"{key} cannot be taken back: the kernel does not tell what it was"
                        )
                    found[key] = value
    finally:
        namespace.close(made)
    return found


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
        yield _once(new.name, ("file",), anew.do, anew.undo)


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
        for descriptor in (self.node.mounts, self.node.uts):
            if descriptor is not None:
                os.close(descriptor)
        self._put_back()

    def _put_back(self) -> None:
        self.node.mounts, self.node.uts, self.node.store = self.before


def _fresh_store(directory: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return f"given.{len(list(directory.glob('given*')))}"
    return "given"
