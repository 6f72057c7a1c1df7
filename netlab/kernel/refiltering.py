"""Change a node's rules while they are in force: in one transaction, and rules that stay keep their counters.

Counterpart: `netlab.kernel.firewall`, which puts the first ones in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from netlab.errors import LabError
from netlab.kernel import nftables
from netlab.kernel.expressions import expressions
from netlab.kernel.firewall import TABLE, chain, comment
from netlab.kernel.nftables import Message, attribute, attributes, text
from netlab.plan.model import Rule

DELETE_TABLE, DELETE_CHAIN, DELETE_RULE = 2, 5, 8
_CHANGE, _CREATE = 0x5, 0x400  # NLM_F_REQUEST | NLM_F_ACK; NLM_F_CREATE
_RULE_TABLE, _RULE_CHAIN, _RULE_HANDLE, _RULE_POSITION, _RULE_USERDATA = 1, 2, 3, 6, 7


def change(old: Sequence[Rule], new: Sequence[Rule], node: str, *, alone: bool) -> None:
    """Make the old rules of the current network namespace, `node`'s, the new ones, or leave all as it was.

    `alone`: nothing but these rules stands in their table, which goes with the last of them. LabError where
    the rules that are there are not the old ones, MachineError where the kernel refuses the change.
    """
    with nftables.Socket(f"the firewall of {node}") as nft:
        handles = _handles(nft)
        expected = {hook: [rule.name for rule in old if rule.chain == hook] for hook in _chains(old)}
        found = {hook: [name for name, _ in rules] for hook, rules in handles.items()}
        if found != expected:
            what = f"the rules of node {node} are no longer netlab's: somebody changed them by hand"
            raise LabError(what, "undo that with nft, or end the lab and start it again")
        messages = [] if old else [_table()]
        messages += [chain(hook) for hook in _chains(new) if hook not in expected]
        for hook in dict.fromkeys([*expected, *_chains(new)]):
            before = [rule for rule in old if rule.chain == hook]
            after = [rule for rule in new if rule.chain == hook]
            messages += _edit(before, after, [handle for _, handle in handles.get(hook, ())])
        if not new and alone:
            messages.append(_table_gone())
        else:
            gone = [hook for hook in expected if hook not in _chains(new)]
            messages += map(_chain_gone, gone)
        nft.commit(messages)


def _chains(rules: Sequence[Rule]) -> list[str]:
    return list(dict.fromkeys(rule.chain for rule in rules))


def _handles(nft: nftables.Socket) -> dict[str, list[tuple[str, bytes]]]:
    """Return the name and the handle of netlab's own rules, chain by chain in their order."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    for packed in nft.rules():
        rule = dict(attributes(packed))
        if rule[_RULE_TABLE] == TABLE.encode() + b"\0" and _RULE_USERDATA in rule:
            hook = rule[_RULE_CHAIN].rstrip(b"\0").decode()
            found.setdefault(hook, []).append((comment(rule[_RULE_USERDATA]), rule[_RULE_HANDLE]))
    return found


def _edit(old: Sequence[Rule], new: Sequence[Rule], handles: Sequence[bytes]) -> Iterator[Message]:
    """Yield what makes one chain's rules the new ones: additions before their successors, then removals."""
    matcher = SequenceMatcher(None, [meaning(rule) for rule in old], [meaning(rule) for rule in new], False)
    removed: list[Message] = []
    for how, first, last, new_first, new_last in matcher.get_opcodes():
        if how == "equal":
            continue
        successor = handles[last] if last < len(handles) else None
        yield from (_add(rule, successor) for rule in new[new_first:new_last])
        removed += (
            _remove(rule, handle) for rule, handle in zip(old[first:last], handles[first:last], strict=True)
        )
    yield from removed


def meaning(rule: Rule) -> tuple[object, ...]:
    """Return what the kernel has of a rule; rules of one meaning are the same."""
    return rule.name, rule.chain, rule.matches, rule.verdict


def _add(rule: Rule, successor: bytes | None) -> Message:
    """Add a rule before another one (its handle), or at the end."""
    made = nftables.rule(TABLE, rule.chain, expressions(rule), rule.name)
    if successor is None:
        return made
    return made._replace(flags=_CHANGE | _CREATE, body=made.body + attribute(_RULE_POSITION, successor))


def _remove(rule: Rule, handle: bytes) -> Message:
    body = text(_RULE_TABLE, TABLE) + text(_RULE_CHAIN, rule.chain) + attribute(_RULE_HANDLE, handle)
    return Message(DELETE_RULE, _CHANGE, body, f"the removal of rule {rule.name}")


def _table() -> Message:
    """Make netlab's table, which may be there."""
    made = nftables.table(TABLE)
    return made._replace(flags=_CHANGE | _CREATE)


def _table_gone() -> Message:
    return Message(DELETE_TABLE, _CHANGE, text(1, TABLE))


def _chain_gone(hook: str) -> Message:
    return Message(DELETE_CHAIN, _CHANGE, text(1, TABLE) + text(3, hook), f"the removal of chain {hook}")
