"""The start-up commands of a node: what runs, and how it is known to be ready."""

from __future__ import annotations

import re
import shlex

from netlab.topology import values
from netlab.topology.faults import Faults, shown
from netlab.topology.given import (
    READY_SECONDS,
    LogMatches,
    PortOpen,
    Ready,
    Startup,
    Succeeds,
)
from netlab.topology.language import READY, START
from netlab.topology.reader import Mapping, Scalar, Sequence, Value
from netlab.topology.vocabulary import PORTS, READY_WITHIN

_COMMAND = "a command, as python3 -m http.server 8080"
_READY = "one condition, as {port: 8080}, {log: listening} or {succeeds: pgrep nginx}"


def startups(value: Value | None, faults: Faults) -> tuple[Startup, ...]:
    """Return start-up commands in the order in which they run; a list of one may leave its brackets out."""
    if isinstance(value, Mapping) or (isinstance(value, Scalar) and value.kind == "str" and value.text):
        found: tuple[Value, ...] = (value,)
    else:
        found = values.items(value, f"a list of commands, as [{_COMMAND.partition('as ')[2]}]", faults) or ()
    made = (_startup(item, faults) for item in found)
    return tuple(one for one in made if one is not None)


def _startup(value: Value, faults: Faults) -> Startup | None:
    if not isinstance(value, Mapping):
        argv = _command(value, faults)
        return None if argv is None else Startup(argv)
    known = values.fields(value, START.names, _COMMAND, faults) or {}
    ready = _ready(known["ready"], faults) if "ready" in known else None
    within: int | None = READY_SECONDS
    if "within" in known:
        within = values.integer(known["within"], *READY_WITHIN, faults)
    if "run" not in known:
        if all(key.text in START.names for key, _ in value.entries):
            faults.add(value.mark, "a start-up command without run", f"write run: and {_COMMAND}")
        return None
    argv = _command(known["run"], faults)
    return None if argv is None else Startup(argv, ready, within or READY_SECONDS)


def _ready(value: Value, faults: Faults) -> Ready | None:
    known = values.fields(value, READY.names, _READY, faults)
    if known is None:
        return None
    if len(known) != 1:
        what = "two conditions for one command" if known else "a command is ready when?"
        # A misspelt key was most likely one of them.
        if (
            known
            or not isinstance(value, Mapping)
            or all(key.text in READY.names for key, _ in value.entries)
        ):
            faults.add(value.mark, what, f"write {_READY}")
        return None
    ((word, entry),) = known.items()
    if word == "log":
        return _log(entry, faults)
    if word == "succeeds":
        argv = _command(entry, faults)
        return None if argv is None else Succeeds(argv)
    port = values.integer(entry, *PORTS, faults)
    return None if port is None else PortOpen(port, "udp" if word == "udp-port" else "tcp")


def _log(value: Value, faults: Faults) -> LogMatches | None:
    pattern = values.text(value, "a regular expression that a line of its log matches", faults, bool)
    if pattern is None:
        return None
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        what = f"{shown(pattern)} is no regular expression: {error}"
        faults.add(value.mark, what, "put \\ before a sign that is meant as itself, as in listening \\(")
        return None
    return LogMatches(pattern)


def _command(value: Value, faults: Faults) -> tuple[str, ...] | None:
    """Return a command's words: a list as it stands, a text in the words that a shell would see in it."""
    if isinstance(value, Sequence):
        words = [item.text for item in value.items if isinstance(item, Scalar)]
        for item in value.items:
            if not isinstance(item, Scalar):
                values.wrong_type(item, "one word of the command", faults)
                return None
    else:
        text = values.text(value, _COMMAND, faults, bool)
        if text is None:
            return None
        split = _split(text, value, faults)
        if split is None:
            return None
        words = split
    if not words or not words[0]:
        faults.add(value.mark, "an empty command", f"write {_COMMAND}")
        return None
    if "/" in words[0] and not words[0].startswith("/"):
        what = f"{shown(words[0])}: a start-up command begins in /, and sees nothing beside this file"
        faults.add(value.mark, what, "give it to the node with files:, and name it by its whole path there")
        return None
    return tuple(words)


def _split(text: str, value: Value, faults: Faults) -> list[str] | None:
    """Return the words of a text; what only a shell can do is a fault, for none reads it."""
    if sign := _shell_sign(text):
        what = f"{shown(sign)} is for a shell, and no shell reads this"
        quoted = text.replace("'", "''")
        if text.rstrip().endswith("&"):
            run = text.rstrip("& ")
            faults.add(
                value.mark, what, f"one that goes on is {{run: {run}, ready: …}}, as ready: {{port: 80}}"
            )
            return None
        hint = f"write [sh, -c, '{quoted}']" if len(text) < 80 and "\n" not in text else "write [sh, -c, '…']"
        faults.add(value.mark, what, hint)
        return None
    try:
        return shlex.split(text)
    except ValueError:
        faults.add(value.mark, "a quote in this command is never closed", 'write it again, as in echo "a b"')
        return None


def _shell_sign(text: str) -> str:
    """Return the first sign outside of quotes that a shell would obey, or nothing."""
    quote = ""
    letters = iter(text)
    for letter in letters:
        if letter == "\\" and quote != "'":
            next(letters, "")
        elif quote:
            if letter == quote:
                quote = ""
            elif quote == '"' and letter in "$`":
                return letter
        elif letter in "'\"":
            quote = letter
        elif letter in "|&;<>$`\n":
            return "a new line" if letter == "\n" else letter
    return ""
