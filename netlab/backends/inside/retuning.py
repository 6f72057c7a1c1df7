"""The kernel parameters of a node that stays: from one plan's to another's, and back.

To write some of them sets others too, so what is written, and in which order, is what a new node gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from netlab.backends.inside.altering import Step
from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import MachineError
from netlab.kernel import namespace
from netlab.plan.model import PlannedNode
from netlab.rewiring import remade

# Parameters that, when they change, set others: of each interface, of those to come, and of "all".
_SWEEPING = {
    "net.ipv4.ip_forward": "net.ipv4.conf.{}.forwarding",
    "net.ipv4.conf.all.forwarding": "net.ipv4.conf.{}.forwarding",
    "net.ipv4.conf.all.ignore_routes_with_linkdown": "net.ipv4.conf.{}.ignore_routes_with_linkdown",
    "net.ipv6.conf.all.forwarding": "net.ipv6.conf.{}.forwarding",
    "net.ipv6.conf.all.disable_ipv6": "net.ipv6.conf.{}.disable_ipv6",
    "net.ipv6.conf.all.ignore_routes_with_linkdown": "net.ipv6.conf.{}.ignore_routes_with_linkdown",
}
# What forwards believes no redirects.
_SWEPT_ONCE = "net.ipv4.conf.all.accept_redirects"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be written: `gone` are keys that are no longer given, `given` keys with values, in order.

    Keys may begin with "-", as `namespace.write_sysctl` has it. Those of interfaces that are made anew are
    in neither: these get theirs then.
    """

    gone: tuple[str, ...]
    given: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, old: PlannedNode, new: PlannedNode) -> Difference:
        """Compare two plans; where a key that sweeps differs, all that is given is written as at a start."""
        before, after = _effective(old), _effective(new)
        gone = [key for key in before if key not in after]
        differing = [key for key in after if before.get(key) != after[key]]
        sweeps = not _SWEEPING.keys().isdisjoint((*gone, *differing))
        given = new.sysctls if sweeps else [after[key] for key in differing]
        anew = _interfaces_anew(old, new)
        return cls(
            tuple(key for key in gone if anew.isdisjoint(key.split("."))),
            tuple((key, value) for key, value in given if anew.isdisjoint(key.split("."))),
        )

    def touched(self, interfaces: Sequence[str]) -> list[str]:
        """Return what writing may set, in the order in which writing it brings all of it back."""
        keys = dict.fromkeys([*(key.removeprefix("-") for key, _ in self.given), *self.gone])
        sweeping = [key for key in _SWEEPING if key in keys]
        swept = [_SWEEPING[key].format(name) for key in sweeping for name in (*interfaces, "default")]
        once = [_SWEPT_ONCE] if sweeping else []
        return list(dict.fromkeys([*sweeping, *once, *swept, *keys]))


@dataclass(slots=True)
class Parameters:
    """The step that changes a node's kernel parameters, but those of interfaces that are made anew."""

    node: NodeSpace
    old: PlannedNode
    new: PlannedNode
    before: list[tuple[str, str]] = field(default_factory=list)

    def step(self) -> Iterator[Step]:
        """Yield the step, if there is anything to do."""
        difference = Difference.of(self.old, self.new)
        if difference.gone or difference.given:
            yield Step(self.new.name, ("sysctl", "forwarding"), lambda: self.do(difference), self.undo)

    def do(self, difference: Difference) -> None:
        """Write them; those that are no longer given become what a new node would have."""
        usual = _usual(difference.gone, self.old, self.new) if difference.gone else ()
        with namespace.entered(self.node.network):
            # All is read before any is written: to write one may change the next.
            for key in difference.touched(list(namespace.interfaces())):
                if (found := namespace.read_sysctl(key)) is not None:
                    self.before.append((key, found))
            for key, value in (*usual, *difference.given):
                namespace.write_sysctl(key, value, self.new.name)

    def undo(self) -> None:
        """Write what was there."""
        with namespace.entered(self.node.network):
            for key, value in self.before:
                namespace.write_sysctl(key, value, self.new.name)


def _effective(node: PlannedNode) -> dict[str, tuple[str, str]]:
    """Return a node's parameters by bare key, as they are written in the end: of one key, the last."""
    return {key.removeprefix("-"): (key, value) for key, value in node.sysctls}


def _interfaces_anew(old: PlannedNode, new: PlannedNode) -> set[str]:
    before, after = ({port.interface: port for port in node.ports} for node in (old, new))
    both = before.keys() & after.keys()
    return (before.keys() ^ after.keys()) | {name for name in both if remade(before[name], after[name])}


def _usual(keys: Sequence[str], old: PlannedNode, new: PlannedNode) -> list[tuple[str, str]]:
    """Return what parameters that `new` does not give are in it; an interface's is the default's.

    A namespace that is made for this is asked: what `new` does give may decide of others.
    """
    interfaces = {port.interface for node in (old, new) for port in node.ports}
    found = []
    made = namespace.make([f"a node as {new.name} is to be"])
    try:
        for descriptor in made.values():
            with namespace.entered(descriptor):
                for key, value in new.sysctls:
                    if interfaces.isdisjoint(key.split(".")):
                        namespace.write_sysctl(key, value, new.name)
                found = [(key, _read(key, interfaces)) for key in keys]
    finally:
        namespace.close(made)
    return found


def _read(key: str, interfaces: set[str]) -> str:
    words = ["default" if word in interfaces else word for word in key.split(".")]
    value = namespace.read_sysctl(".".join(words))
    if value is None:
        raise MachineError(f"{key} cannot be taken back: the kernel does not tell what it was")
    return value
