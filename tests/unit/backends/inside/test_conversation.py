"""What a session is told has room in a message; what has none is told as an error, and never kept back."""

from __future__ import annotations

import json

import pytest

from netlab.backends.inside import channel
from netlab.backends.inside.applying import told
from netlab.backends.inside.conversation import Conversation
from netlab.errors import LabError
from netlab.plan.changes import Change


def test_an_answer_too_long_is_told_as_an_error() -> None:
    """A session that waits for an answer gets one, whatever its length."""
    ours, theirs = channel.pair()
    with ours, theirs:
        Conversation(ours).tell({"long": "x" * channel.LARGEST})
        assert channel.wait(theirs, 0)
        received = channel.receive(theirs)
    assert received is not None
    with pytest.raises(LabError, match=r"answer is lost: .* bytes are too many"):
        channel.raise_error(received[0]["error"])


def test_a_session_that_has_left_is_not_told() -> None:
    """Nothing is raised for it."""
    ours, theirs = channel.pair()
    theirs.close()
    with ours:
        Conversation(ours).tell({"exit": 0})


def test_changes_have_room_in_a_message() -> None:
    """However long each of them is; how many have none is said."""
    changes = [Change("dns", "service", "dns", note=f"{number} {'ü' * 4_000}") for number in range(20)]
    packed = told(changes)
    assert len(json.dumps({"changes": packed})) < channel.LARGEST
    assert 1 < len(packed) < len(changes)
    assert packed[-1]["aspect"] == f"{len(changes) - len(packed) + 1} more"
