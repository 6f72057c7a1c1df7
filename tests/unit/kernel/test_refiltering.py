"""What changes a chain: rules that stay are not named, others come before their successors, or at the end."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.nfnetlink.nftsocket import nft_chain_msg, nft_rule_msg, nft_table_msg

from netlab.kernel import refiltering
from netlab.kernel.nftables import Message, attributes
from netlab.plan.model import Rule
from tests.unit.kernel.test_nftables import theirs

ACK = 0x5


def rule(name: str) -> Rule:
    """Make a rule that differs from others by its name."""
    return Rule(name, "", "input", "", (("protocol", "tcp"),), "drop")


class Chain:
    """A chain as the kernel has it: takes messages, holds names by handle."""

    def __init__(self, names: list[str]) -> None:
        self.rules = [(struct.pack(">Q", number), name) for number, name in enumerate(names, 1)]
        self.before = dict(self.rules)

    @property
    def handles(self) -> list[bytes]:
        """The rules' handles, in order."""
        return [handle for handle, _ in self.rules]

    def take(self, message: Message) -> None:
        """Do what a message says."""
        told = dict(attributes(message.body))
        if message.kind == refiltering.DELETE_RULE:
            self.rules = [each for each in self.rules if each[0] != told[3]]
            return
        name = message.what.removeprefix("the rule ")
        at = self.handles.index(told[6]) if 6 in told else len(self.rules)
        self.rules.insert(at, (b"new", name))


names = st.lists(st.sampled_from("abcdef"), max_size=8)


@given(names, names)
def test_any_rules_become_any_others(old: list[str], new: list[str]) -> None:
    """After the messages the chain has the new rules in their order; those that stayed have their handles."""
    chain = Chain(old)
    messages = list(refiltering._edit([*map(rule, old)], [*map(rule, new)], chain.handles))
    for message in messages:
        chain.take(message)
    assert [name for _, name in chain.rules] == new
    kept = [handle for handle in chain.handles if handle != b"new"]
    assert [chain.before[handle] for handle in kept] == [
        name for handle, name in chain.rules if handle != b"new"
    ]
    if old == new:
        assert not messages


def test_messages_are_pyroute2s() -> None:
    """So are they encoded: a rule before another one, and removals."""
    (added, removed) = refiltering._edit(
        [rule("a"), rule("c")], [rule("b"), rule("c")], [bytes(8), b"\0" * 7 + b"\7"]
    )
    assert added.body.endswith(struct.pack("=HH", 12, 6) + b"\0" * 7 + b"\7")
    assert added.flags == 0x405
    attrs: list[Any] = [("NFTA_RULE_TABLE", "netlab"), ("NFTA_RULE_CHAIN", "input"), ("NFTA_RULE_HANDLE", 0)]
    assert removed.encode(7) == theirs(nft_rule_msg(), 8, ACK, attrs)
    gone = refiltering._chain_gone("input").encode(7)
    attrs = [("NFTA_CHAIN_TABLE", "netlab"), ("NFTA_CHAIN_NAME", "input")]
    assert gone == theirs(nft_chain_msg(), 5, ACK, attrs)
    assert refiltering._table_gone().encode(7) == theirs(
        nft_table_msg(), 2, ACK, [("NFTA_TABLE_NAME", "netlab")]
    )
