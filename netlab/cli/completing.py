"""Words that the shell completes, from the labs that run, the files that are named and the shipped labs.

What cannot be found out completes to nothing: a shell at its prompt is no place for error messages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import click

from netlab.errors import NetlabError
from netlab.topology.vocabulary import ENGINES


def labs(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a running lab; those that are on the line already are not named again."""
    from netlab.lab import running

    given = context.params.get("names") or ()
    with contextlib.suppress(NetlabError, OSError):
        return _fitting((name for name in running() if name not in given), incomplete)
    return []


def exercises(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a shipped lab."""
    from netlab.lab.catalogue import exercises as shipped

    with contextlib.suppress(NetlabError, OSError):
        return _fitting((exercise.name for exercise in shipped()), incomplete)
    return []


def nodes(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete a node of the lab that --lab names, or else of the only one that runs."""
    from netlab.lab import attach

    with contextlib.suppress(NetlabError, OSError):
        return _fitting(attach(context.params.get("lab_name")).nodes, incomplete)
    return []


def impairments(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete what a word about a wire begins with."""
    from netlab.topology.impairing import beginnings

    return _fitting(beginnings(), incomplete)


def planned_nodes(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete a node of the topology file that stands before it on the line."""
    from netlab.topology import load

    path = context.params.get("topology")
    if path is None:
        return []
    with contextlib.suppress(NetlabError, OSError):
        return _fitting((node.name for node in load(Path(path)).nodes), incomplete)
    return []


def engines(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete a kind of service and an engine of it."""
    words = (f"{kind}={engine}" for kind, known in ENGINES.items() for engine in known)
    return _fitting(words, incomplete)


def _fitting(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
