"""Rules that are in nft's own language, with the tables they make: put in place, exchanged, put back.

Which tables are theirs the kernel tells, before and after: the text may include files, and define its names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from netlab.errors import LabError, UsageError
from netlab.kernel import nft, process
from netlab.kernel.firewall import TABLE
from netlab.topology.rules import RawRules

_Table: TypeAlias = tuple[str, str]  # family and name
_OURS: _Table = ("inet", TABLE)
# At the start of a line: what stands in a table is indented.
_TABLE = re.compile(r"^table (?P<family>\S+) (?P<name>\S+) \{", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Made:
    """What such rules have made: `tables` of their own; `mingled`: they have changed others, too."""

    tables: tuple[_Table, ...] = ()
    mingled: bool = False


def put(rules: RawRules, node: str) -> Made:
    """Put the first rules in place in the current network namespace; InputError where nft refuses them."""
    before = _tables()
    nft.apply(rules, node)
    return _made(before, _tables())


def swap(made: Made, new: RawRules | None, node: str) -> tuple[Made, str]:
    """Let new rules take the place of those that have made that, or change nothing.

    Returns what the new ones have made, and what `restore` takes. InputError where nft refuses them, at their
    place in the file; UsageError where they change a table that is not theirs.
    """
    there = _tables()
    gone = [table for table in made.tables if table in there]
    before = "".join(_run("list", "table", *table) for table in gone)
    if new is None:
        _apply(_removals(gone, "\n"), node)
        return Made(), before
    whole = _run("list", "ruleset")
    # Complaints are told by the line: of a text that is quoted in the file, counted from its own first one.
    removals = _removals(gone, "; " if new.indent is None else "\n")
    place = replace(new.place, line=new.place.line - removals.count("\n"))
    nft.apply(replace(new, text=removals + new.text, place=place), node)
    now = _made({table: text for table, text in there.items() if table not in gone}, _tables())
    if now.mingled:
        _apply(f"flush ruleset\n{whole}", node)
        raise mingles(node)
    return now, before


def restore(made: Made, before: str, node: str) -> None:
    """Put back what `swap` has taken away, with its counters, for what it has made."""
    there = _tables()
    _apply(_removals((table for table in made.tables if table in there), "\n") + before, node)


def mingles(node: str) -> UsageError:
    """Return the error of rules that cannot be taken away again alone."""
    what = f"nft rules of {node} change a table that is there without them, and cannot be told apart in it"
    hint = "give them a table of their own, or end the lab and start it again: netlab down, netlab up"
    return UsageError(what, hint)


def _made(before: Mapping[_Table, str], after: Mapping[_Table, str]) -> Made:
    own = tuple(table for table in after if table not in before and table != _OURS)
    # Where the node has no rules of netlab's yet, it may get some.
    others = [*before, _OURS]
    return Made(own, mingled=any(before.get(table) != after.get(table) for table in others))


def _tables() -> dict[_Table, str]:
    """Return the tables that are there, with what they hold, without what traffic changes."""
    return _split(_run("--stateless", "--terse", "list", "ruleset"))


def _split(listed: str) -> dict[_Table, str]:
    """Return each table of a listing with its text."""
    heads = list(_TABLE.finditer(listed))
    ends = [*(head.start() for head in heads[1:]), len(listed)]
    return {
        (head["family"], head["name"]): listed[head.start() : end]
        for head, end in zip(heads, ends, strict=False)  # no head has an end, too
    }


def _removals(tables: Iterable[_Table], end: str) -> str:
    return "".join(f"delete table {family} {name}{end}" for family, name in tables)


def _run(*words: str) -> str:
    status, said = process.converse((nft.program(), *words), "")
    if status:
        raise LabError(f"nft {' '.join(words)} failed: {said.strip()}", "see nft(8)")
    return said


def _apply(text: str, node: str) -> None:
    status, said = process.converse((nft.program(), "-f", "-"), text)
    if status:
        raise LabError(f"the nft rules of node {node} cannot be exchanged: {said.strip()}", "see nft(8)")
