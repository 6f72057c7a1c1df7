"""What it takes to serve with a program of the machine's: files, a command, and how it shows that it serves.

Each such engine has a module of its own that says so purely, from a service and the node that it is in;
`netlab.backends.inside.serving` is the counterpart that does it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from netlab.plan.model import PlannedNode
from netlab.topology.given import Ready
from netlab.topology.model import Service

# Every node's services have their files here, in the lab's own /run.
FILES = "/run/netlab/services"
READY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Program:
    """A command that serves, in the foreground, and logs to its standard output and error.

    `files` (path → text) and `links` (path → target) are made before it starts in `directory`; those in
    `made` come to be as it does, or right before. `fresh` are directories of its own that it does not find
    when it is started another time. It serves when all of `ready` hold, unless a line of its
    log matches `trouble`: then it does, but not all that it should. `authority` is the path of a certificate
    that it has made by then, and with which it signs its own. `explain` is a command that fails and says
    why, where the program itself ends without a word.
    """

    argv: tuple[str, ...]
    ready: tuple[Ready, ...]
    directory: str
    files: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    fresh: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    trouble: str = ""
    authority: str = ""
    explain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that can serve: `asking` makes it say its version, in which `version` finds it.

    `packages` names what brings it, by kin of distributions: debian, fedora, arch, alpine; "" is for all
    others, and an empty name is the extra of netlab's own package that is called like the engine.
    `helpers` are programs that a service needs besides, by a key of its own, each with its packages.
    """

    name: str
    program: str
    asking: tuple[str, ...]
    version: str
    packages: Mapping[str, str]
    describe: Callable[[Service, PlannedNode], Program]
    helpers: Mapping[str, tuple[str, Mapping[str, str]]]

    def version_in(self, said: str) -> str | None:
        """Return the version out of what the program said of itself; None where it is not there."""
        found = re.search(self.version, said)
        return found[1] if found else None


def directory(node: PlannedNode, kind: str) -> str:
    """Return where a node's service has its files."""
    return f"{FILES}/{node.name}-{kind}"
