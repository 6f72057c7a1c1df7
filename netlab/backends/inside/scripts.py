"""The supervisor's side of the warm interpreter: what starts it, gives it scripts, and hears how they end.

Its counterpart, the process itself, is `interpreter`.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
from dataclasses import dataclass, field

from netlab.backends.inside import channel, interpreter
from netlab.backends.inside.conversation import Conversation, signal_group
from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import LabError
from netlab.kernel import process
from netlab.plan.model import Plan


@dataclass(slots=True)
class Warm:
    """The warm interpreter of a lab; it starts with `start` or the first script, and anew if it was killed.

    `conversations` are those whose script has not ended, by the number of its job; `called_off` the jobs
    to end as soon as they are forked; `scripts` how many each node has run.
    """

    plan: Plan
    selector: selectors.BaseSelector
    end: socket.socket | None = None
    jobs: int = 0
    conversations: dict[int, Conversation] = field(default_factory=dict)
    called_off: set[int] = field(default_factory=set)
    scripts: dict[str, int] = field(default_factory=dict)

    def start(self) -> socket.socket:
        """Start the interpreter, which imports Scapy; what it says is heard in the selector's loop."""
        ours, theirs = channel.pair()

        def body() -> int:
            gc.freeze()
            process.keep_only(theirs.fileno())
            return interpreter.serve(theirs)

        process.fork(body)
        theirs.close()
        self.selector.register(ours, selectors.EVENT_READ, self._hear)
        self.end = ours
        return ours

    def run(
        self, conversation: Conversation, node: NodeSpace, command: channel.Message, stdio: list[int]
    ) -> None:
        """Run a script in a node, in its turn; the conversation is told its pid, then its exit status."""
        end = self.end or self.start()
        self.jobs += 1
        names = {node.name: str(node.address) for node in self.plan.nodes}
        seed = self._seed(node.plan.name)
        if node.programs is not None:
            # A container's programs start with their image's words; ours is this one's image.
            own = os.environ | {"HOSTNAME": node.plan.name}
            command = {**command, "environment": own | command["environment"]}
        job = {"id": self.jobs, "seed": seed, "names": names, "capabilities": node.capabilities, **command}
        channel.send(end, job, (*stdio, *node.descriptors()))
        conversation.job = self.jobs
        self.conversations[self.jobs] = conversation

    def call_off(self, conversation: Conversation, number: int) -> None:
        """End a script that has not started yet, as the signal of that number would."""
        assert conversation.job is not None
        self.called_off.add(conversation.job)
        del self.conversations[conversation.job]
        conversation.job = None
        conversation.tell({"exit": -number})

    def _seed(self, node: str) -> str:
        """Return the seed of a node's next script: a second one must not take the first one's ports again."""
        self.scripts[node] = number = self.scripts.get(node, 0) + 1
        seed = f"{self.plan.seed}/{node}"
        return seed if number == 1 else f"{seed}/{number}"

    def _hear(self) -> None:
        assert self.end is not None
        received = channel.receive(self.end)
        if received is None:
            self._lose(self.end)
        else:
            message, _ = received
            self._tell(message.pop("id"), message)

    def _tell(self, job: int, message: channel.Message) -> None:
        """Pass on that a job was forked (`pid`) or has ended (`exit`), or end it if it was called off."""
        if job in self.called_off:
            self.called_off.remove(job)
            signal_group(message["pid"], signal.SIGKILL)
        conversation = self.conversations.get(job)
        if conversation is None:
            return
        conversation.pid = message.get("pid")
        if "exit" in message:
            conversation.job = None
            del self.conversations[job]
        conversation.tell(message)

    def _lose(self, end: socket.socket) -> None:
        """Tell every session whose script has not ended that the interpreter is gone."""
        self.selector.unregister(end)
        end.close()
        self.end = None
        self.called_off.clear()
        lost = LabError("the lab's Python interpreter was killed", "run the script again: it starts anew")
        for conversation in self.conversations.values():
            conversation.tell({"error": channel.encode_error(lost)})
            conversation.job = None
        self.conversations.clear()
