"""Exchange the rules that are in nft's own language, in one transaction; the tables they made are theirs.

Counterpart: `netlab.kernel.nft`, which puts the first ones in place.
"""

from __future__ import annotations

import re
from dataclasses import replace

from netlab.errors import LabError
from netlab.kernel import nft, process
from netlab.kernel.firewall import TABLE
from netlab.topology.rules import RawRules

# `table inet mine {`, `add table ip x`, `add chain x y`: the family is ip where none is said.
_FAMILIES = "ip6|ip|inet|arp|bridge|netdev"
_PARTS = "chain|rule|set|map|element|flowtable|counter|quota|limit"
_DECLARED = re.compile(
    rf"(?:^|[;{{}}])[ \t]*(?:(?:add|create)[ \t]+)?table[ \t]+(?:({_FAMILIES})[ \t]+)?([\w/.\\-]+)",
    re.MULTILINE,
)
_ADDED = re.compile(
    rf"(?:^|[;{{}}])[ \t]*(?:add|insert|create)[ \t]+(?:{_PARTS})"
    rf"[ \t]+(?:({_FAMILIES})[ \t]+)?([\w/.\\-]+)",
    re.MULTILINE,
)
_Table = tuple[str, str]


def tables(rules: RawRules | None) -> list[_Table]:
    """Return the tables, by family and name, in which such rules stand."""
    if rules is None:
        return []
    found = [*_DECLARED.finditer(rules.text), *_ADDED.finditer(rules.text)]
    return list(dict.fromkeys((each[1] or "ip", each[2]) for each in found))


def stands_in_ours(rules: RawRules | None) -> bool:
    """Whether they add to netlab's own table, from which they could not be told apart again."""
    return ("inet", TABLE) in tables(rules)


def swap(old: RawRules | None, new: RawRules | None, node: str) -> str:
    """Let the new rules take the place of the old ones in the current network namespace, or change nothing.

    Returns what `restore` takes. InputError where nft refuses the new rules, at their place in the file.
    """
    there = _listed(tables(old))
    before = "".join(_run("list", "table", *table) for table in there)
    if new is None:
        _apply(_removals(there, "\n"), node)
        return before
    # Complaints are told by the line: of a text that is quoted in the file, counted from its own first one.
    removals = _removals(there, "; " if new.indent is None else "\n")
    place = replace(new.place, line=new.place.line - removals.count("\n"))
    nft.apply(replace(new, text=removals + new.text, place=place), node)
    return before


def restore(new: RawRules | None, before: str, node: str) -> None:
    """Put back what `swap` has taken away, with its counters."""
    there = _listed(tables(new))
    _apply(_removals(there, "\n") + before, node)


def _removals(there: list[_Table], end: str) -> str:
    return "".join(f"delete table {family} {name}{end}" for family, name in there)


def _listed(wanted: list[_Table]) -> list[_Table]:
    if not wanted:
        return []
    listed = {tuple(line.split()[1:3]) for line in _run("list", "tables").splitlines()}
    return [table for table in wanted if table in listed]


def _run(*words: str) -> str:
    status, said = process.converse((nft.program(), *words), "")
    if status:
        raise LabError(f"nft {' '.join(words)} failed: {said.strip()}", "see nft(8)")
    return said


def _apply(text: str, node: str) -> None:
    status, said = process.converse((nft.program(), "-f", "-"), text)
    if status:
        raise LabError(f"the nft rules of node {node} cannot be exchanged: {said.strip()}", "see nft(8)")
