"""What a node is given, in a plan: for what is built, for the eye, for a program, and as commands.

Its counterpart is `netlab.backends.inside.startup`, which hands it out.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netlab.plan.model import PlannedNode
from netlab.topology.given import GivenFile, Limits, LogMatches, PortOpen, Ready, Startup, Succeeds
from netlab.topology.model import ExecService, Node

_MOST_SHOWN = 60  # characters of a value; a longer one would push the columns away


def provided(made: PlannedNode, node: Node) -> PlannedNode:
    """Return a planned node with what the file gives it, which wins over what netlab would give.

    Its parameters and files come after netlab's own: the kernel keeps what is written last, and of two files
    with one path the second is seen.
    """
    return replace(made, sysctls=made.sysctls + node.provisions.sysctls, provisions=node.provisions)


def log_name(node: str, number: int) -> str:
    """Return what the log of a node's start-up command is called; they count from 1."""
    return f"{node}-start-{number}.log"


# -- for the eye ---------------------------------------------------------------------------------------


def rows(node: PlannedNode) -> list[tuple[str, str, str]]:
    """Return what a node is given as rows: the word, the name, the rest."""
    given = node.provisions
    found = [("environment", name, _cut(value)) for name, value in given.environment]
    found += [("sysctl", key, _cut(value) + _instead(node, key, value)) for key, value in given.sysctls]
    found += [("file", file.path, _file(file) + _over(node, file)) for file in given.files]
    found += [("limit", word, value) for word, value in _limits(given.limits)]
    found += [("start", str(number), _startup(one)) for number, one in enumerate(given.start, 1)]
    return found


def _instead(node: PlannedNode, key: str, value: str) -> str:
    """Say what netlab would have set, where it would have set something else."""
    own = node.sysctls[: len(node.sysctls) - len(node.provisions.sysctls)]
    pinned = {name.removeprefix("-"): kept for name, kept in own}.get(key, value)
    return "" if pinned == value else f" (in place of netlab's {pinned})"


def _over(node: PlannedNode, file: GivenFile) -> str:
    return " (in place of netlab's)" if file.path in dict(node.files) else ""


def _file(file: GivenFile) -> str:
    origin = "" if file.origin is None else f", from {file.origin}"
    return f"{_bytes(len(file.data))}, mode {file.mode:04o}{origin}"


def _startup(one: Startup) -> str:
    until = "it has ended" if one.ready is None else str(one.ready)
    return f"{shown_command(one.argv)}; for at most {one.within} s, until {until}"


def shown_command(argv: tuple[str, ...]) -> str:
    """Return a command's words for the eye, cut where they are many."""
    return _cut(shlex.join(argv))


def _limits(limits: Limits) -> Iterator[tuple[str, str]]:
    if limits.memory is not None:
        yield "memory", f"{_bytes(limits.memory)} of address space"
    if limits.processes is not None:
        yield "processes", f"{limits.processes} to a command"
    if limits.cpu_seconds is not None:
        yield "cpu-seconds", f"{limits.cpu_seconds} to a process"
    if limits.files is not None:
        yield "files", f"{limits.files} open in a process"


def _bytes(count: int) -> str:
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count and count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return f"{count} byte{'s' * (count != 1)}"


def _cut(text: str) -> str:
    shown = text if text.isprintable() else repr(text)
    return shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + "…"


# -- for a program -------------------------------------------------------------------------------------


def data(node: PlannedNode) -> dict[str, Any]:
    """Return what a node is given as JSON has it, by the words of the language; nothing where it is nothing.

    The parameters are among the node's own `sysctls`; of a file there is what tells it apart.
    """
    given = node.provisions
    limits = {
        "memory": given.limits.memory,
        "processes": given.limits.processes,
        "cpu-seconds": given.limits.cpu_seconds,
        "files": given.limits.files,
    }
    told = {
        "environment": dict(given.environment),
        "given_files": [_file_data(file) for file in given.files],
        "limits": {word: value for word, value in limits.items() if value is not None},
        "start": [startup_data(one) for one in given.start],
    }
    return {word: value for word, value in told.items() if value}


def startup_data(one: Startup) -> dict[str, Any]:
    """Return a command that goes on, or has to end, by the words of the language."""
    return {"run": list(one.argv), "ready": _ready_data(one.ready), "within": one.within}


def _file_data(file: GivenFile) -> dict[str, Any]:
    told = {"path": file.path, "mode": f"{file.mode:04o}", "bytes": len(file.data)}
    digest = hashlib.sha256(file.data).hexdigest()
    source = {"text": file.data.decode()} if file.origin is None else {"from": file.origin}
    return told | {"sha256": digest} | source


def _ready_data(ready: Ready | None) -> dict[str, Any] | None:
    match ready:
        case PortOpen(port, transport):
            return {"port" if transport == "tcp" else "udp-port": port}
        case LogMatches(pattern):
            return {"log": pattern}
        case Succeeds(argv):
            return {"succeeds": list(argv)}
    return None


# -- as commands ---------------------------------------------------------------------------------------


def file_commands(node: PlannedNode) -> Iterator[str]:
    """Yield how a node gets its files: `ip netns` has a way for those of /etc that the machine has too."""
    for file in node.provisions.files:
        size = f"{file.path} ({_file(file)})"
        text = file.data.decode(errors="replace")
        if not file.path.startswith("/etc/") or file.path.count("/") > 2 or text.encode() != file.data:
            yield f"# Here netlab gives {node.name} the file {size}, in a mount namespace of its own."
        elif file.origin is not None:
            yield f"cp {shlex.quote(file.origin)} /etc/netns/{node.name}/{shlex.quote(file.path[5:])}"
        else:
            target = shlex.quote(f"/etc/netns/{node.name}/{file.path[5:]}")
            yield f"printf %s {shlex.quote(text)} > {target}  # shown if /etc has one too"


def exec_commands(node: PlannedNode, service: ExecService) -> Iterator[str]:
    """Yield how a service of the file's own words is started."""
    given = [f"{name}={value}" for name, value in node.provisions.environment]
    words = ["ip", "netns", "exec", node.name, *(["env", *given] if given else []), *service.startup.argv]
    until = "" if service.startup.ready is None else f", and wait until {service.startup.ready}"
    yield f"{shlex.join(words)} &  # the service {service.name}{until}"


def start_commands(node: PlannedNode) -> Iterator[str]:
    """Yield what a node runs before it is ready, under its limits and in its environment."""
    given = node.provisions
    variables = [f"{name}={value}" for name, value in given.environment]
    prefix = [
        "ip",
        "netns",
        "exec",
        node.name,
        *(["env", *variables] if variables else []),
        *_prlimit(given.limits),
    ]
    if (variables or prefix[-1].startswith("--")) and not given.start:
        yield f"# Every command of {node.name} is run as: {shlex.join(prefix)} COMMAND"
    for one in given.start:
        if one.ready is None:
            yield shlex.join([*prefix, *one.argv])
        else:
            yield f"{shlex.join([*prefix, *one.argv])} &  # and wait until {one.ready}"


def _prlimit(limits: Limits) -> list[str]:
    asked = {
        "as": limits.memory,
        "nproc": limits.processes,
        "cpu": limits.cpu_seconds,
        "nofile": limits.files,
    }
    words = [f"--{name}={value}" for name, value in asked.items() if value is not None]
    return ["prlimit", *words] if words else []
