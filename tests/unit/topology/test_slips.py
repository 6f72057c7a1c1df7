"""What the eye does not see: foreign spaces, and colons without a blank."""

from __future__ import annotations

import pytest

from netlab.topology import parse, slips
from netlab.topology.faults import Faults
from netlab.topology.reader import Mapping, Scalar, read
from tests.unit.topology.test_faults import BAD


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u3000", "\u200b"])
def test_each_space_is_named(space: str) -> None:
    """Its code and its name are told, for it looks like any other, or like nothing."""
    slip = slips.foreign(f"  {space}{space} x")
    assert slip is not None
    assert (slip.column, slip.width) == (2, 2)
    assert f"U+{ord(space):04X}, " in slip.what


def test_a_text_may_have_foreign_spaces() -> None:
    """Within a text, in quotes and in a comment they are anybody's."""
    text = 'nodes:  # a\u00a0lab\n  a: {environment: {A: "\u00a0x", B: x\u00a0y}}\n'
    topology = parse(text, file="lab.yaml", directory=BAD)
    assert topology.node("a").provisions.environment == (("A", "\u00a0x"), ("B", "x\u00a0y"))


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("lan:10.0.0.11", ("lan", "10.0.0.11")),
        ("mac:02:00:00:00:00:07", ("mac", "02:00:00:00:00:07")),
        ("10.1.0.0/16:r1", ("10.1.0.0/16", "r1")),
        ("fd00::1", None),
        ("lan:fd00::1", None),
        ("http://www.lab.test", None),
        ("lan:", None),
        ("lan", None),
    ],
)
def test_what_is_a_key_and_a_value(word: str, parts: tuple[str, str] | None) -> None:
    """The first colon divides; an address of IPv6 and a URL have colons of their own."""
    assert slips.glued(word) == parts


def test_a_key_that_is_left_empty_is_no_slip() -> None:
    """Where a colon and a blank follow, or in quotes, a colon within a word is the user's own."""
    faults = Faults("lab.yaml", "")
    tree = read('{a:b: , "c:d", e:f: 1}', faults)
    assert isinstance(tree, Mapping)
    assert [key.text for key, _ in tree.entries] == ["a:b", "c:d", "e:f"]
    assert not faults


def test_two_words_are_read_as_they_are_meant() -> None:
    """The value has its own type and place, so that nothing follows from the slip."""
    faults = Faults("lab.yaml", "{router:true}")
    tree = read("{router:true}", faults)
    assert isinstance(tree, Mapping)
    ((key, value),) = tree.entries
    assert (key.text, key.mark.width) == ("router", 6)
    assert value == Scalar(key.mark._replace(column=9, width=4), "true", "bool")
    assert len(faults) == 1
