"""Keys of a node that stand beside it, as nodes, because they are indented no further than it."""

from __future__ import annotations

from collections.abc import Sequence

from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.language import NODE
from netlab.topology.language.shapes import ByName, Either, ListOf, Section, Shape
from netlab.topology.merging import Entry
from netlab.topology.reader import Mapping, Scalar, Value
from netlab.topology.reader import Sequence as Items
from netlab.topology.values import is_null

_SHAPES = {key.name: key.shape for key in NODE.keys}


def without_strays(nodes: Sequence[Entry], faults: Faults) -> tuple[list[Entry], frozenset[Mark]]:
    """Return the nodes without the keys among them, each of which is a fault, and where their owners stand.

    The owner of a key is the node above it: of what it seems to lack nobody can tell.
    """
    found: list[Entry] = []
    owners = set()
    for key, value in nodes:
        if not _is_stray(key.text, value):
            found.append((key, value))
            continue
        hint = "indent it below the node that it is of"
        if found and found[-1][0].mark.file == key.mark.file:
            owner = found[-1][0]
            owners.add(owner.mark)
            # The nodes of a count have a name in the file that is none of theirs.
            entry = owner.text.rpartition("-")[0]
            name = entry if entry in faults.counts else owner.text
            hint = f"indent it further than the node that it is of, as {shown(name)}"
        faults.add(key.mark, f"{shown(key.text)}, a key of nodes, stands here as a node", hint)
    return found, frozenset(owners)


def _is_stray(word: str, value: Value) -> bool:
    """Say whether an entry is no node, but what a node has under the key of that name.

    A node may well be called router: what stands below it decides.
    """
    shape = _SHAPES.get(word)
    if shape is None or is_null(value):
        return False
    if isinstance(value, Mapping) and any(key.text in _SHAPES for key, _ in value.entries):
        return False
    return any(_takes(one, value) for one in (shape.shapes if isinstance(shape, Either) else (shape,)))


def _takes(shape: Shape, value: Value) -> bool:
    """Say whether a value is of the type that a shape has."""
    match value:
        case Mapping(entries=entries):
            if isinstance(shape, Section):
                return any(key.text in shape.names for key, _ in entries)
            return isinstance(shape, ByName) and bool(entries)
        case Items():
            return isinstance(shape, ListOf)
        case Scalar():
            return not isinstance(shape, Section | ByName | ListOf)
