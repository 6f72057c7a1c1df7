"""Rules in nft's own language, which the machine's `nft` reads; its complaints are told as the file's faults.

Counterpart: `netlab.kernel.firewall`, which takes rules that netlab understands, and needs no program.
"""

from __future__ import annotations

import os
import re
import shutil

from netlab.errors import Fault, InputError, MachineError, Place
from netlab.kernel import process
from netlab.topology.rules import RawRules

# Debian keeps it where an ordinary user's PATH does not look.
_PLACES = "/usr/sbin:/sbin"
# /dev/stdin:2:5-9: Error: syntax error, unexpected newline
_COMPLAINT = re.compile(
    r"^(?P<by>In file included from .+:\n(?: +from .+:\n)*)?"
    r"(?P<file>\S.*?):(?P<line>[0-9]+):(?P<first>[0-9]+)-(?P<last>[0-9]+): Error: (?P<what>.*)$",
    re.MULTILINE,
)
_END = "unexpected end of file"
# from /dev/stdin:1:1-23: the last such line names the outermost of files that include each other
_INCLUDE = re.compile(r" from .+?:(?P<line>[0-9]+):(?P<first>[0-9]+)-(?P<last>[0-9]+):\n\Z")


def program() -> str:
    """Return where the machine's nft is; MachineError where there is none."""
    found = shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:{_PLACES}")
    if found is None:
        what = "a node has nft: rules in the topology, and this machine has no nft"
        raise MachineError(what, "install the package nftables, or write the rules below firewall:")
    return found


def apply(rules: RawRules, node: str) -> None:
    """Let nft put rules in place in the current network namespace, which is the node's; all of them, or none.

    InputError with nft's words, at their place in the topology file, where it refuses them.
    """
    status, said = process.converse((program(), "-f", "-"), rules.text)
    if status:
        raise InputError(faults(rules, node, said))


def faults(rules: RawRules, node: str, said: str) -> list[Fault]:
    """Find the places of nft's complaints in the file; its lines there are indented."""
    lines = rules.text.splitlines()
    found: list[Fault] = []
    for complaint in _COMPLAINT.finditer(said):
        if found and _END in complaint["what"]:
            continue  # what came before it made nft miss the end, too
        what, hint = f"nft refuses it: {complaint['what']}", f"these are the rules of {node}; see nft(8)"
        at: re.Match[str] | None = complaint
        if complaint["by"]:  # it is another file's fault, which is told where that one is named
            what += f", in {complaint['file']}, line {complaint['line']}"
            at = _INCLUDE.search(complaint["by"])
        number, first, last = (int(at[part]) if at else 0 for part in ("line", "first", "last"))
        if rules.indent is None or not 0 < number <= len(lines):
            found.append(Fault(rules.place, f"{what} (line {number} of the rules)", hint))
            continue
        start = rules.place
        place = Place(start.file, start.line + number - 1, rules.indent + first)
        text = " " * rules.indent + lines[number - 1]
        found.append(Fault(place, what, hint, text, max(1, last - first + 1)))
    if not found:
        words = " ".join(said.split()) or "it says nothing"
        found.append(Fault(rules.place, f"nft refuses the rules of {node}: {words}", "see nft(8)"))
    return found
