"""What the shipped labs' proofs share: how claims are told, and what the topology's web server holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from netlab.errors import NetlabError
from netlab.lab.catalogue import find
from netlab.topology import load
from netlab.topology.model import HttpService

Claim = tuple[bool, str]
"""Whether it holds, and what it says."""


def judge(prove: Callable[[Path], Sequence[Claim]], run: str) -> tuple[str, bool]:
    """Return each claim about a run's record, in a line with its number and verdict, and whether all hold.

    SystemExit, with a sentence, where the record cannot be judged.
    """
    try:
        claims = prove(Path(run))
    except NetlabError as error:
        raise SystemExit(str(error)) from None
    lines = [f"{n}. {'yes' if holds else 'NO '}  {claim}" for n, (holds, claim) in enumerate(claims, 1)]
    return "\n".join(lines), all(holds for holds, _ in claims)


def served(lab: str) -> bytes:
    """Return the page / of node web in a lab's topology."""
    web = load(find(lab).topology).node("web")
    content = next(service.content for service in web.services if isinstance(service, HttpService))
    return (content / "index.html").read_bytes()
