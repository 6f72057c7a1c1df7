"""What is asked of the recorder, and which answer is the one to it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from netlab.backends.inside import channel, recorder
from netlab.errors import MachineError
from netlab.plan import make_plan
from netlab.topology import parse
from netlab.topology.recordings import Capture


def test_a_late_answer_is_not_the_next_ones() -> None:
    """What answers an earlier request is passed over; what answers this one counts, a refusal too."""
    plan = make_plan(parse("nodes: {a: }", file="lab.yaml", directory=Path()))
    ours, theirs = channel.pair()

    def answer() -> None:
        for refusal in ({}, {"error": channel.encode_error(MachineError("no room"))}):
            received = channel.receive(theirs)
            assert received is not None
            message, (descriptor,) = received
            os.close(descriptor)
            channel.send(theirs, {"number": 0, "error": channel.encode_error(MachineError("too late"))})
            channel.send(theirs, {"number": message["number"], **refusal})

    thread = threading.Thread(target=answer)
    thread.start()
    with ours, theirs:
        recorder.choose(ours, plan)
        with pytest.raises(MachineError, match="no room"):
            recorder.choose(ours, plan)
        thread.join()


def test_files_made_for_nothing_go(tmp_path: Path) -> None:
    """What was there before, of ours or of others, stays."""
    files = recorder.Files(tmp_path, {"old.pcapng"}, first=False)
    (tmp_path / "old.pcapng").write_text("old")
    files.open(Capture("new")).close()
    files.forget(files.made - {"old.pcapng"})
    assert [path.name for path in tmp_path.iterdir()] == ["old.pcapng"]
    assert files.made == {"old.pcapng"}
