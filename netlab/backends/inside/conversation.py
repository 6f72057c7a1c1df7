"""One connection of a session, and the command that runs over it.

Its counterpart, outside, is `session.Running`.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass

from netlab.backends.inside import channel
from netlab.errors import LabError

_UNTOLD = "it may be done nevertheless: `netlab apply --dry-run` tells what of a change is not"


@dataclass(slots=True, eq=False)
class Conversation:
    """A connection; `pid` leads what was run over it, `job` is its number if it is the interpreter's.

    `follows`: it copies logs, and is told before the lab ends. `node` is where its command
    runs, or whose logs these are.
    """

    end: socket.socket
    pid: int | None = None
    job: int | None = None
    follows: bool = False
    node: str = ""

    def tell(self, message: channel.Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send, to a session that may have left meanwhile; it hears why where that cannot be."""
        try:
            channel.send(self.end, message, descriptors)
        except LabError as error:
            untold = LabError(f"the lab's answer is lost: {error.what}", _UNTOLD)
            with contextlib.suppress(LabError):  # nobody is there to hear it
                channel.send(self.end, {"error": channel.encode_error(untold)})


def signal_group(pid: int, number: int) -> None:
    """Signal the process group that a command leads; nothing happens if the command has ended."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        # Between its fork and its setsid it leads none; once it is signalled itself, it may have one.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            os.killpg(pid, number)
