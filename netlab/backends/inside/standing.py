"""A lab as it stands, inside: what was asked for, and all that runs for it."""

from __future__ import annotations

import selectors
import socket
from dataclasses import dataclass, field
from pathlib import Path

from netlab.backends.inside import daemons, relaying, serving
from netlab.backends.inside.conversation import Conversation, signal_group
from netlab.backends.inside.nodes import NodeSpace
from netlab.backends.inside.scripts import Warm
from netlab.backends.protocol import Request

LOGS = Path("/run/netlab/logs")


@dataclass(slots=True)
class Standing:
    """What the supervisor keeps, and an apply changes.

    `grows`: nodes can be added and removed while it runs, and files given to those that are there.
    `control` leads to the recorder. `indexes` are those of the fabric's interfaces, by name; `next_index` is
    one that none of them has had.
    """

    request: Request
    grows: bool = True
    nodes: dict[str, NodeSpace] = field(default_factory=dict)
    services: dict[int, daemons.Daemon] = field(default_factory=dict)
    recorder: daemons.Daemon | None = None
    control: socket.socket | None = None
    indexes: dict[str, int] = field(default_factory=dict)
    next_index: int = 0
    conversations: list[Conversation] = field(default_factory=list)
    serving: serving.Services = field(init=False)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    warm: Warm = field(init=False)
    wires: relaying.Wires = field(default_factory=lambda: relaying.Wires(LOGS / "relay.log"))

    def __post_init__(self) -> None:
        self.warm = Warm(self.request.plan, self.selector)

    @property
    def logs(self) -> Path:
        """The directory of the services' logs: in the record, if there is one."""
        return self.request.out / "logs" if self.request.out is not None else LOGS

    def signal_command(self, conversation: Conversation, number: int) -> None:
        """Signal the whole session of a command; a script that has not started yet is called off."""
        if conversation.pid is not None:
            signal_group(conversation.pid, number)
        elif conversation.job is not None:
            self.warm.call_off(conversation, number)
