"""nft's complaints, at their places in the topology file; and a machine without nft."""

from __future__ import annotations

import pytest

from netlab.errors import MachineError, Place
from netlab.kernel import nft
from netlab.topology.rules import RawRules

TEXT = "table inet x {\n  chain y { tcp dport ninety drop; }\n}\n"
SAID = "/dev/stdin:2:23-28: Error: Could not resolve service: Servname not supported\n  chain y …\n"


def test_a_complaint_is_at_its_line() -> None:
    """A block's lines are indented in the file, and begin below the key."""
    (fault,) = nft.faults(RawRules(TEXT, Place("lab.yaml", 4, 7), 6), "a", SAID)
    assert fault.place == Place("lab.yaml", 5, 29)
    assert fault.text[28:34] == "ninety"
    assert fault.width == 6


def test_a_quoted_text_is_one_place() -> None:
    """The line within the text is told in words."""
    (fault,) = nft.faults(RawRules(TEXT, Place("lab.yaml", 3, 10)), "a", SAID)
    assert fault.place == Place("lab.yaml", 3, 10)
    assert "(line 2 of the rules)" in fault.what


INCLUDED = """\
In file included from /srv/a.nft:1:1-24:
                 from /dev/stdin:2:3-26:
/srv/b.nft:7:4-4: Error: syntax error, unexpected newline, expecting string
boo
   ^
/dev/stdin:3:1-1: Error: syntax error, unexpected end of file
/dev/stdin:3:1-1: Error: No such file or directory
"""


def test_a_complaint_of_an_included_file_is_where_that_is_named() -> None:
    """Its line and column are not the topology's: the place is that of the outermost `include`.

    The end of the file, which nft then misses too, is no fault of its own.
    """
    rules = RawRules('table inet x {\n  include "/srv/a.nft"\n}\n', Place("lab.yaml", 4, 7), 6)
    first, second = nft.faults(rules, "a", INCLUDED)
    assert (first.place, first.width) == (Place("lab.yaml", 5, 9), 24)
    assert first.what.endswith("expecting string, in /srv/b.nft, line 7")
    assert second.place == Place("lab.yaml", 6, 7)


@pytest.mark.parametrize(
    "said", ["", "netlink: Error: cache initialization failed: Operation not permitted\n"]
)
def test_other_words_are_passed_on(said: str) -> None:
    """What is no complaint about a line is told as it is."""
    (fault,) = nft.faults(RawRules(TEXT, Place("lab.yaml", 4, 7), 6), "a", said)
    assert (said.strip() or "it says nothing") in fault.what


def test_a_machine_without_nft(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the package."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(nft, "_PLACES", "/nowhere")
    with pytest.raises(MachineError, match="no nft") as caught:
        nft.program()
    assert "package nftables" in caught.value.hint
