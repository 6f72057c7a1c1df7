"""The machine's programs: where a lab looks for them, and what would bring one that is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

_INSTALLERS = {
    "debian": "sudo apt install",
    "fedora": "sudo dnf install",
    "arch": "sudo pacman -S",
    "alpine": "sudo apk add",
}


def search_path() -> str:
    """Return the PATH of what netlab starts in a lab: its own programs first, servers last.

    Debian keeps these where an ordinary user's PATH does not look.
    """
    here = str(Path(sys.executable).parent)
    path = [here, *os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin", "/sbin"]
    return os.pathsep.join(dict.fromkeys(path))


def find(program: str) -> str | None:
    """Return where a program is; None where this machine has none of that name."""
    return shutil.which(program, path=search_path())


def family() -> str:
    """Return this distribution's kin by os-release, one for which there is an installer, or ""."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    kin = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    return next((name for name in _INSTALLERS if name in kin), "")


def installer(kin: str) -> str:
    """Return the command that installs a package, whose name is to follow."""
    return _INSTALLERS.get(kin, "install the package")
