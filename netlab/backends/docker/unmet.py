"""Tells what a base image's Python lacks: a script that runs in it, before netlab is there.

Its counterpart is the Dockerfile of netlab's image.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

OLDEST = (3, 11)


def unmet(requirements: Sequence[str], version_of: Callable[[str], str | None]) -> list[str]:
    """Return those of `requirements`, each as "name>=1.2", that no installed distribution meets."""
    lacking = []
    for requirement in requirements:
        name, _, wanted = requirement.partition(">=")
        version = version_of(name)
        if version is None or release(version) < release(wanted):
            lacking.append(requirement)
    return lacking


def release(version: str) -> tuple[int, ...]:
    """Return the numbers at a version's beginning: "2.6.1rc2" is (2, 6, 1)."""
    matched = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, matched[0].split("."))) if matched else ()


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _main() -> int:
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:2]))
        needed = ".".join(map(str, OLDEST))
        sys.stderr.write(f"netlab needs Python {needed} or newer, and the base's python3 is {found}\n")
        return 1
    sys.stdout.write(" ".join(unmet(sys.argv[1:], _installed)))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
