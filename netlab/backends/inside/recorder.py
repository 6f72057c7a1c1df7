"""A lab's record: the process that writes the capture, from start to finish, and the kernels' counters.

What that process does is `netlab.recording`'s.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from netlab.backends.inside import daemons, visits
from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import LabError
from netlab.kernel import files
from netlab.plan.model import Plan

FINISH_SECONDS = 10.0


def launch(plan: Plan, out: Path, log: Path) -> daemons.Daemon:
    """Start to record every switch port to `capture.pcapng` in `out`, and the file's own captures.

    It is ready when no packet is missed.
    """

    def body(ready: Callable[[], None]) -> int:
        from netlab.recording import record

        try:
            with contextlib.ExitStack() as stack:
                output = stack.enter_context((out / "capture.pcapng").open("wb"))
                chosen = [
                    (capture, stack.enter_context((out / capture.file).open("wb")))
                    for capture in plan.captures
                ]
                record(plan, output, ready, chosen)
        except OSError as error:
            os.write(2, f"{error.filename or 'capture.pcapng'}: {error.strerror}\n".encode())
            return 1
        return 0

    return daemons.launch("the recorder", body, log)


def finish(recorder: daemons.Daemon) -> None:
    """End the recording; the capture is whole then. Raises what `daemons.finish` does."""
    daemons.finish(recorder, FINISH_SECONDS)


def write_counters(nodes: Iterable[NodeSpace], out: Path) -> None:
    """Write what each node's kernel counted to `kernel.json` in `out`; LabError where that fails."""
    text = visits.count(nodes)
    path = out / "kernel.json"
    try:
        files.replace(path, text)
    except OSError as error:
        raise LabError(
            f"cannot write to {path}: {error.strerror}", "make room, or choose --out DIR"
        ) from error
