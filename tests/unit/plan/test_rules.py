"""The firewall rules' three tellings agree: in a sentence, in nft's words, and for the kernel."""

from __future__ import annotations

import pytest

from netlab.plan.rules import RULES
from netlab.topology.vocabulary import FIREWALL_RULES


def test_every_word_has_its_rule() -> None:
    """A topology can name exactly the rules that a plan knows, under the same names."""
    assert list(RULES) == list(FIREWALL_RULES)
    assert all(rule.name == name for name, rule in RULES.items())


@pytest.mark.parametrize("name", RULES)
def test_words_and_matches_agree(name: str) -> None:
    """What is shown to the student names what the kernel is told: protocol, flag, verdict."""
    rule = RULES[name]
    assert rule.nft.endswith(f"counter {rule.verdict}")
    assert all(value in rule.nft for _, value in rule.matches)
