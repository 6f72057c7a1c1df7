"""Where a lab looks for programs, and how a distribution installs them."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from netlab.kernel import programs


def test_own_programs_come_first_and_servers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beside the interpreter wins, and an ordinary user's PATH is made longer."""
    monkeypatch.setenv("PATH", "/usr/bin:/usr/sbin")
    here = str(Path(sys.executable).parent)
    assert programs.search_path().split(os.pathsep) == [here, "/usr/bin", "/usr/sbin", "/sbin"]


@pytest.mark.parametrize(
    ("release", "kin", "command"),
    [
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "debian", "sudo apt install"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "fedora", "sudo dnf install"),
        ({"ID": "alpine"}, "alpine", "sudo apk add"),
        ({"ID": "plan9"}, "", "install the package"),
    ],
)
def test_a_distribution_is_known_by_its_kin(
    monkeypatch: pytest.MonkeyPatch, release: dict[str, str], kin: str, command: str
) -> None:
    """os-release names it, or what it is like; for one that is like none there is a sentence."""
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    assert programs.family() == kin
    assert programs.installer(kin) == command
