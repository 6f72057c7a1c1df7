"""Which tables are those of rules in nft's language, as nft lists what is there."""

from __future__ import annotations

from netlab.kernel.nft_swap import Made, _made, _split

OURS = "table inet netlab {\n\tchain input {\n\t\ttcp flags rst drop\n\t}\n}\n"
MINE = 'table ip mine {\n\tchain in {\n\t\tcounter comment "table ip no {"\n\t}\n}\n'


def test_a_listing_is_split_into_its_tables() -> None:
    """Each table has its own text; what nft remarks about one, and what its rules quote, is none."""
    assert _split("") == {}
    assert _split(OURS + "# Warning: table ip mine is managed by another\n" + MINE).keys() == {
        ("inet", "netlab"),
        ("ip", "mine"),
    }
    assert _split(MINE)["ip", "mine"] == MINE


def test_what_is_new_is_theirs() -> None:
    """A table that was there before is not, and to change it, or take it away, is told."""
    before = _split(OURS)
    assert _made(before, _split(OURS + MINE)) == Made((("ip", "mine"),))
    assert _made(before, _split(OURS.replace("rst", "syn") + MINE)) == Made((("ip", "mine"),), mingled=True)
    assert _made(before, {}) == Made(mingled=True)
    assert _made({}, before) == Made(mingled=True), "netlab's own table is nobody else's"
    assert _made({}, {}) == Made()
