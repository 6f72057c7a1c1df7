"""What lab ordering's proof makes of segments whose order depends on how quick either side was."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from netlab.lab.catalogue import find
from netlab.report.headers import ACK

PROOF = runpy.run_path(str(find("ordering").proof), run_name="proof")


def segments(*, lost: int, early: bool, duplicates: int) -> list[Any]:
    """Return a page in which the segment `lost` is damaged, and client asks for it `duplicates` times.

    `early`: what precedes it was acknowledged before it was sent, as the server was slow.
    """
    data = bytes(10)

    def say(at: int, fate: str = "") -> Any:
        return PROOF["Segment"](0.0, "web", ACK, at, 38, data, fate)

    ask = PROOF["Segment"](0.0, "client", ACK, 38, lost, b"", "")
    sent = [say(lost, "corrupted by wire (byte 54)"), *(say(lost + 10 * at) for at in range(1, 5))]
    first = [ask, *sent] if early else [sent[0], ask, *sent[1:]]
    return [say(lost - 10), *first, *[ask] * duplicates, say(lost)]


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("duplicates", [2, 3])
def test_duplicate_acks_are_those_after_the_first(early: bool, duplicates: int) -> None:
    """Three duplicates prove a fast retransmit and two do not, whenever the first ACK of that number came."""
    page = segments(lost=40, early=early, duplicates=duplicates)
    holds, said = PROOF["judge_gaps"](page, 1)[2]
    assert (holds, f"{duplicates} duplicate ACKs" in said) == (duplicates == 3, True), said


def test_what_is_not_sent_again_is_not_made_good() -> None:
    """Three duplicate ACKs alone prove nothing: the segment must come again."""
    page = segments(lost=40, early=True, duplicates=3)[:-1]
    assert not PROOF["judge_gaps"](page, 1)[2][0]
