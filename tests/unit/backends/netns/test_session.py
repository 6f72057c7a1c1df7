"""What a lab of namespaces is given of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netlab.backends.netns import session


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every directory")
def test_what_may_not_be_entered_is_not_needed(tmp_path: Path) -> None:
    """A directory on the way that its user may not enter, as root's own is, ends nothing."""
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "open").mkdir()
    needed = session._needed([tmp_path / "closed" / "python", tmp_path / "open"])
    assert tmp_path / "open" in needed
    assert tmp_path / "closed" / "python" not in needed
