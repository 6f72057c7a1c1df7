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
