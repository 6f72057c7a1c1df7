"""Names of nodes where they are used: what is told of one that leads to none.

A node that counts stands for several, and one whose count has a fault for nobody knows which: what follows
from that is no fault of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from netlab.topology import values
from netlab.topology.faults import Faults, Mark, shown

_NUMBERED = re.compile(r"(.+)-[1-9][0-9]*")


def unknown(mark: Mark, word: str, what: str, known: Collection[str], faults: Faults) -> None:
    """Note a word that names none of the nodes that are `known`; `what` says so."""
    numbered = _NUMBERED.fullmatch(word)
    if numbered and faults.counts.get(numbered[1], 1) is None:
        return  # one of those that the count would have made
    if many := faults.counts.get(word):
        last = f" to {word}-{many}" if many > 1 else ""
        noun = "nodes" if many > 1 else "node"
        what = f"{shown(word)} stands for {many} {noun}, {word}-1{last}"
        faults.add(mark, what, f"name one of them, as {word}-1" if many > 1 else f"write {word}-1")
    else:
        faults.add(mark, what, values.suggest(word, fitting(known)))


def fitting(names: Collection[str]) -> list[str]:
    """Return the names that can stay: no hint proposes one that is itself a fault."""
    return [name for name in names if values.is_label(name)]
