"""How a lab's zones are signed (RFC 4033): keys, the commands that use them, and who vouches for whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from netlab.topology.records import ROOT, absolute

ALGORITHM = "ECDSAP256SHA256"
_DS = re.compile(
    r"^\S+\s+(?:[0-9]+\s+)?IN\s+DS\s+([0-9]+)\s+([0-9]+)\s+([0-9]+)\s+([0-9A-Fa-f\s]+)$", re.MULTILINE
)


def order(origins: Iterable[str]) -> list[str]:
    """Return zones so that each comes before those above it, which are to vouch for it."""
    return sorted(set(origins), key=lambda origin: (-_depth(origin), origin))


def _depth(origin: str) -> int:
    return 0 if origin == ROOT else len(origin.split("."))


def commands(origin: str, file: str, keys: str, *, anew: bool = True) -> list[tuple[str, ...]]:
    """Return what makes a zone's two keys, and signs `file` with them as `file`.signed; see `ds_file`.

    Unless `anew`, it has its keys already.
    """
    make = ("dnssec-keygen", "-q", "-K", keys, "-a", ALGORITHM)
    sign = ("dnssec-signzone", "-S", "-K", keys, "-d", keys, "-o", origin, "-f", f"{file}.signed", file)
    making = [("mkdir", "-p", keys), (*make, "-f", "KSK", origin), (*make, origin)]
    return [*(making if anew else []), sign]


def ds_file(origin: str) -> str:
    """Return the name of the file in which `commands` leave a zone's DS records."""
    return f"dsset-{absolute(origin).replace('/', '%2F')}"


def digests(text: str) -> list[tuple[str, str, str, str]]:
    """Return the DS records of a file: key tag, algorithm, digest type, digest."""
    return [(tag, number, kind, "".join(digest.split())) for tag, number, kind, digest in _DS.findall(text)]


def anchors(vouched: Sequence[tuple[str, str]]) -> str:
    """Return statements of named's for zones to be believed, from each one's name and DS records."""
    lines = [
        f'    "{origin}" static-ds {tag} {number} {kind} "{digest}";\n'
        for origin, text in vouched
        for tag, number, kind, digest in digests(text)
    ]
    return f"trust-anchors {{\n{''.join(lines)}}};\n"
