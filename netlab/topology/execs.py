"""The exec services of a node: commands that go on, by name; each is a start-up command that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netlab.topology import startups, values
from netlab.topology.faults import Faults, shown
from netlab.topology.given import PortOpen, Startup
from netlab.topology.language import EXEC, START
from netlab.topology.model import ExecService
from netlab.topology.reader import Mapping as Entries
from netlab.topology.reader import Value
from netlab.topology.vocabulary import RESTARTS, STOP_SIGNALS

_EXPECTED = "services by name, as {echo: {run: socat TCP-LISTEN:7,fork EXEC:cat, ready: {port: 7}}}"


def execs(value: Value, taken: Mapping[tuple[str, int], str], faults: Faults) -> tuple[ExecService, ...]:
    """Return the exec services; `taken` are the node's ports that are another service's, by transport."""
    found = values.entries(value, _EXPECTED, faults) or ()
    values.once([key for key, _ in found], "exec service", faults)
    made = []
    for key, entry in found:
        if values.label(key.text, key.mark, "service", faults) and isinstance(entry, Entries):
            service = _exec(key.text, entry, faults)
            if service is not None:
                _check_port(service.startup, entry, taken, faults)
                made.append(service)
        elif not isinstance(entry, Entries):
            keys = ", ".join(EXEC.names)
            values.wrong_type(entry, f"its keys, as {{run: COMMAND}}, out of {keys}", faults)
    return tuple(made)


def _exec(name: str, value: Entries, faults: Faults) -> ExecService | None:
    keys = EXEC.names
    known = values.fields(value, keys, f"its keys, out of {', '.join(keys)}", faults) or {}
    restart = values.one_of(known["restart"], RESTARTS, "policy", faults) if "restart" in known else "never"
    stop = "TERM"
    if "stop" in known:
        stop = _signal(known["stop"], faults)
    # What it has in common with a start-up command is read as that; faults of its keys are told above.
    common = tuple((key, entry) for key, entry in value.entries if key.text in START.names)
    misspelt = len(value.entries) != sum(key.text in keys for key, _ in value.entries)
    if "run" not in known:
        if not misspelt:  # a misspelt key was most likely this one
            faults.add(
                value.mark, "an exec service without run", "write run: and a command, as run: sleep 60"
            )
        return None
    (startup,) = startups.startups(replace(value, entries=common), faults) or (None,)
    return None if startup is None else ExecService(name, startup, restart or "never", stop)


def _signal(value: Value, faults: Faults) -> str:
    word = values.text(value, "a signal, as TERM", faults) or "TERM"
    name = word.upper().removeprefix("SIG")
    if name not in STOP_SIGNALS:
        faults.add(value.mark, f"unknown signal {shown(word)}", values.suggest(name, STOP_SIGNALS))
    return name


def _check_port(
    startup: Startup, value: Entries, taken: Mapping[tuple[str, int], str], faults: Faults
) -> None:
    ready = startup.ready
    if isinstance(ready, PortOpen) and (ready.transport, ready.port) in taken:
        mark = next((entry.mark for key, entry in value.entries if key.text == "ready"), value.mark)
        whose = taken[ready.transport, ready.port]
        faults.add(mark, f"port {ready.port} is the {whose} service's", "choose another")
