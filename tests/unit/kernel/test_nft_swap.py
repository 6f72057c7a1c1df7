"""In which tables rules of nft's language stand."""

from __future__ import annotations

import pytest

from netlab.errors import Place
from netlab.kernel.nft_swap import stands_in_ours, tables
from netlab.topology.rules import RawRules


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("table ip x { chain in { } }", [("ip", "x")]),
        ("table x {\n}\ntable inet y {\n}\n", [("ip", "x"), ("inet", "y")]),
        ("add table ip6 mine; add chain ip6 mine in", [("ip6", "mine")]),
        ("  add rule netdev filter in drop", [("netdev", "filter")]),
        ("# table ip no\ndefine table = 3\n", []),
        ("table inet netlab { chain mine { } }", [("inet", "netlab")]),
    ],
)
def test_tables(text: str, found: list[tuple[str, str]]) -> None:
    """Blocks and commands name them, by family, which is ip where none is said."""
    rules = RawRules(text, Place("lab.yaml", 1, 1))
    assert tables(rules) == found
    assert stands_in_ours(rules) == (("inet", "netlab") in found)


def test_no_rules() -> None:
    """No rules stand in no table."""
    assert tables(None) == []
