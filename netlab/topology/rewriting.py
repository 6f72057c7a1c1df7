"""Short forms of a whole topology to the long one: `extends`, `kinds` and `count`; a marked tree in, one out.

Whatever comes after this sees nodes that say all of themselves, each of which stands for one host.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from netlab.topology import values
from netlab.topology.copies import KEY as COUNT
from netlab.topology.copies import Copying, number
from netlab.topology.extending import extended
from netlab.topology.faults import Faults, Mark
from netlab.topology.language import NODE
from netlab.topology.merging import Entry, Merging, without
from netlab.topology.reader import MAX_VALUES, Mapping, Scalar, Value
from netlab.topology.reader import Sequence as Items

KIND, KINDS = "kind", "kinds"
MAX_KINDS = 10  # of which one is made, each of the next
_EXPECTED = "kinds by name with the keys of nodes, as {host: {firewall: [hold-back-rst]}}"


def rewrite(tree: Value, file: str, directory: Path, faults: Faults) -> Value | None:
    """Return the tree without `extends`, `kind` and `count`; None where nothing more can be said of it.

    `file` and `directory` are those of the topology, as `netlab.topology.parse` has them.
    """
    whole = extended(tree, file, directory, faults)
    if not isinstance(whole, Mapping):
        return whole
    top = {key.text: value for key, value in whole.entries}
    nodes = top.get("nodes")
    try:
        budget = _Budget(faults)
        kinds = _Kinds(top.get(KINDS), budget, faults)
        if isinstance(nodes, Mapping) and any(map(_is_short, nodes.entries)):
            long = [(key, kinds.applied(key, node)) for key, node in nodes.entries]
            top["nodes"] = Mapping(nodes.mark, tuple(_counted(long, top.get("networks"), budget, faults)))
    except _StopError:
        return None
    rest = ((key, top[key.text]) for key, _ in whole.entries)
    return Mapping(whole.mark, tuple(rest))


def _is_short(entry: Entry) -> bool:
    node = entry[1]
    return isinstance(node, Mapping) and any(key.text in (KIND, COUNT) for key, _ in node.entries)


def _counted(nodes: list[Entry], networks: Value | None, budget: _Budget, faults: Faults) -> Iterator[Entry]:
    """Yield the nodes, each as often as it counts."""
    numbers = [(key, node, number(key, node, faults)) for key, node in nodes]
    copying = Copying(networks, [key for key, _, many in numbers if many is None], faults)
    for key, node, many in numbers:
        budget.spend(node, many or 1, key.mark)
        if many is None or not isinstance(node, Mapping):
            yield key, _without(node, COUNT)
        else:
            faults.share(_marks(key, node))
            yield from copying.copies(key, _without(node, COUNT), many)


class _StopError(Exception):
    """The topology is too large to go on; the fault is noted."""


class _Budget:
    """How many values the nodes of a file may come to: as with aliases, ten lines could ask for millions."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._left = MAX_VALUES
        self._kept: dict[int, tuple[Value, int]] = {}

    def spend(self, value: Value, times: int, mark: Mark) -> None:
        """Count a value that stands in so many places."""
        self._left -= self._size(value) * times
        if self._left < 0:
            what = f"with their kinds and counts, the nodes come to more than {MAX_VALUES} values"
            self._faults.add(mark, what, "say less in a kind, or count fewer")
            raise _StopError

    def _size(self, value: Value) -> int:
        """Return how many values a tree has; branches that several trees share are gone through once."""
        if isinstance(value, Scalar):
            return 1
        if id(value) not in self._kept:
            inner = value.items if isinstance(value, Items) else (entry for _, entry in value.entries)
            # The value is kept with its size, so that no other can have its id.
            self._kept[id(value)] = (value, 1 + sum(map(self._size, inner)))
        return self._kept[id(value)][1]


class _Kinds:
    """The kinds of a file, each with the kind that it is of itself laid under it."""

    def __init__(self, value: Value | None, budget: _Budget, faults: Faults) -> None:
        self._faults = faults
        self._budget = budget
        self._merging = Merging(faults)
        self._said: dict[str, Value] = {}
        for key, entry in values.entries(value, _EXPECTED, faults) or ():
            # What stands under its keys is looked at in `checking`, when the nodes are read.
            known = values.fields(entry, NODE.names, _EXPECTED, faults)
            # One that is no mapping is known all the same: its nodes need no fault of their own.
            self._said[key.text] = Mapping(entry.mark, ()) if known is None else entry
            faults.share(_marks(key, entry))
        self._whole: dict[str, Value] = {}
        # In the order of the file, so that a ring of kinds is told once, at the first of them.
        for name in self._said:
            self._complete(name)

    def applied(self, key: Scalar, node: Value) -> Value:
        """Return a node over its kind."""
        kind = self._kind_of(node)
        return _without(node, KIND) if kind is None else self._over(kind, node, ("nodes", key.text))

    def _over(self, kind: Scalar, own: Value, path: tuple[str, ...]) -> Value:
        whole = self._whole[kind.text]
        self._budget.spend(whole, 1, kind.mark)
        return self._merging.over(whole, _without(own, KIND), path)

    def _kind_of(self, node: Value) -> Scalar | None:
        """Return the word that names a known kind, if there is one."""
        value = next((entry for key, entry in _entries(node) if key.text == KIND), None)
        if value is None or values.is_null(value):
            return None
        if not self._said:
            hint = "write them at the top, as kinds: {host: {firewall: [hold-back-rst]}}"
            self._faults.add(value.mark, "there are no kinds", hint)
            return None
        word = values.one_of(value, self._said, "kind", self._faults)
        return value if word is not None and isinstance(value, Scalar) else None

    def _complete(self, name: str, above: tuple[str, ...] = ()) -> None:
        """Lay a kind over the one that it is of, which is completed first."""
        if name in self._whole:
            return
        own = self._said[name]
        kind = self._kind_of(own)
        chain = (*above, name)
        if kind is not None and kind.text in chain:
            ring = " > ".join([*chain[chain.index(kind.text) :], kind.text])
            self._faults.add(kind.mark, f"a kind is of its own kind: {ring}", "let one of them be of none")
            kind = None
        elif kind is not None and len(chain) > MAX_KINDS:
            what = f"more than {MAX_KINDS} kinds are each of the next"
            self._faults.add(kind.mark, what, "put what they say into fewer")
            kind = None
        if kind is None:
            self._whole[name] = _without(own, KIND)
        else:
            self._complete(kind.text, chain)
            self._whole[name] = self._over(kind, own, (KINDS, name))


def _entries(value: Value) -> tuple[Entry, ...]:
    return value.entries if isinstance(value, Mapping) else ()


def _without(node: Value, key: str) -> Value:
    return without(node, key) if isinstance(node, Mapping) else node


def _marks(key: Scalar, value: Value) -> Iterator[Mark]:
    """Yield the marks of an entry and all that is below it."""
    yield key.mark
    yield value.mark
    if isinstance(value, Items):
        for item in value.items:
            yield from _marks(key, item)
    elif isinstance(value, Mapping):
        for inner, entry in value.entries:
            yield from _marks(inner, entry)
