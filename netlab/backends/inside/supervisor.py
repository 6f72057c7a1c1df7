"""PID 1 of a lab: builds it, keeps its services, and runs what sessions ask for, one event at a time.

A session talks over connections of its own, one for each conversation (see `session`); a closed
connection ends what was run over it, and the owner's closed connection ends the lab.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from netlab.backends.inside import (
    building,
    channel,
    daemons,
    ending,
    parcel,
    programs,
    recorder,
    serving,
    startup,
    trust,
    visits,
)
from netlab.backends.inside.conversation import Conversation, signal_group
from netlab.backends.inside.nodes import NodeSpace
from netlab.backends.inside.standing import LOGS, Standing
from netlab.errors import LabError
from netlab.kernel import process
from netlab.kernel.netlink import FIRST_INDEX
from netlab.plan.model import Plan
from netlab.wiring import fabric_indexes

# An exec service that cannot go on (its port is taken) has ended by then, and the lab may be shorter.
_BEGUN_SECONDS = 0.5
_NEW_START = "end it, and start it again: netlab down, netlab up"
LAST_WORDS_SECONDS = 0.2  # for who follows logs to show their last lines


@dataclass(slots=True)
class Supervisor(Standing):
    """The lab from inside; `make_nodes` is its backend's, `shown` the record's directory as a user has it."""

    listener: socket.socket | None = None
    make_nodes: Callable[[Plan], dict[str, NodeSpace]] = building.make_nodes
    shown: Path | None = None
    ended: list[dict[str, Any]] = field(default_factory=list)
    stood: float = 0.0

    # -- start ---------------------------------------------------------------------------------

    def build(self) -> None:
        """Bring up nodes, wires, rules, recorder, services and start-up commands; then all are ready."""
        woken = _wake_by_children()
        self.selector.register(woken, selectors.EVENT_READ, partial(self._reap, woken))
        LOGS.mkdir(parents=True)
        request = self.request
        if request.warm:
            self.warm.start()
        trust.prepare(request.plan.nodes)
        self.nodes = self.make_nodes(request.plan)
        self.indexes = fabric_indexes(request.plan)
        self.next_index = max(self.indexes.values(), default=FIRST_INDEX) + 1
        startup.give(self.nodes.values())
        starting = []
        if request.out is not None:
            feed, self.wires.feed = channel.pair()
            log = LOGS / "recorder.log"
            self.recorder, self.control = recorder.launch(request.plan, request.out, log, feed)
            starting.append(self.recorder)
        self.wires.follow(request.plan, self.indexes)  # first: what a service sends is not to be lost
        around = startup.Surroundings(request.plan, self.logs, request.out)
        self.serving = serving.Services(around)
        served = [(node, service) for node in self.nodes.values() for service in node.plan.services]
        launch = serving.Launch(self.serving, self.nodes, served)
        starting += launch.begin()
        daemons.wait_ready({daemon.ready: daemon for daemon in starting})
        self.services = launch.wait()
        if request.out is not None:
            self.serving.record(request.out, request.plan.nodes)
        started = startup.start(self.nodes.values(), around)
        self.services |= {daemon.pid: daemon for daemon in started}
        self.stood = time.monotonic()

    # -- serve ---------------------------------------------------------------------------------

    def serve(self, owner: socket.socket | None = None, lease: int | None = None) -> None:
        """Serve for ever, or until the owner's connection, or the descriptor `lease`, comes to its end."""
        if owner is not None:
            self.selector.register(owner, selectors.EVENT_READ, partial(self._from_owner, owner))
        if lease is not None:
            self.selector.register(lease, selectors.EVENT_READ, partial(self._leave_at_end, lease))
        if self.listener is not None:
            self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        while True:
            for key, _ in self.selector.select():
                key.data()

    def _leave_at_end(self, lease: int) -> None:
        if not os.read(lease, 4096):
            self._leave()

    def _from_owner(self, owner: socket.socket) -> None:
        """Take the connection of a new conversation; the owner sends nothing else."""
        received = channel.receive(owner)
        if received is None:
            self._leave()
            return
        for descriptor in received[1]:
            self._converse(socket.socket(fileno=descriptor))

    def _accept(self) -> None:
        assert self.listener is not None
        end, _ = self.listener.accept()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, channel.LARGEST)  # its listener's is not its own
        user = channel.peer_user(end)
        if user in (0, os.geteuid()):
            self._converse(end)
        else:
            end.close()

    def _converse(self, end: socket.socket) -> None:
        conversation = Conversation(end)
        self.conversations.append(conversation)
        self.selector.register(end, selectors.EVENT_READ, partial(self._hear, conversation))

    def _hear(self, conversation: Conversation) -> None:
        received = channel.receive(conversation.end)
        if received is None:
            self._end(conversation)
            return
        message, descriptors = received
        try:
            _verb(message)(self, conversation, message, descriptors)
        except Exception as error:  # whatever one request provokes, the lab goes on
            conversation.tell({"error": channel.encode_error(error)})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _end(self, conversation: Conversation) -> None:
        """Forget a conversation whose session has left, and kill what it ran."""
        self.selector.unregister(conversation.end)
        conversation.end.close()
        self.conversations.remove(conversation)
        self.signal_command(conversation, signal.SIGKILL)

    def _reap(self, woken: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while woken.recv(4096):
                pass
        self._collect()

    def _collect(self) -> None:
        """Take the status of every child that has ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended(ended[0], os.waitstatus_to_exitcode(ended[1]))

    def _stop_services(self) -> None:
        """Ask the services to end that are to be asked; none of them is started again."""
        stopping = [daemon for daemon in self.services.values() if daemon.stop]
        for daemon in stopping:
            del self.services[daemon.pid]
        ending.end_daemons(stopping)

    def _leave(self) -> None:
        """End the lab: PID 1 goes, and the kernel takes the rest."""
        self._stop_services()
        os._exit(0)

    def _ended(self, pid: int, status: int) -> None:
        for conversation in self.conversations:
            if conversation.pid == pid and conversation.job is None:
                conversation.tell({"exit": status})
                conversation.pid = None
        daemon = self.services.pop(pid, None)
        if daemon is None and self.recorder is not None and self.recorder.pid == pid:
            daemon, self.recorder = self.recorder, None
        daemon = daemon or self.wires.has_ended(pid)
        if daemon is not None and daemon.again is not None and (following := daemon.again(status)):
            self.services[following.pid] = following
            return
        if daemon is not None and (status or not daemon.may_end):
            self.ended.append({"who": daemon.who, "status": status, "log": list(daemon.last_lines())})

    def watch_container(self, node: NodeSpace) -> None:
        """Note it when a node's container ends, or that of its own image: nothing runs there any more."""
        watched = {f"the container of node {node.plan.name}": node.first}
        if node.plan.image is not None and node.programs is not None:
            watched[f"image {node.plan.image} of node {node.plan.name}"] = node.programs.first

        def end(who: str, first: int) -> None:
            self.selector.unregister(first)
            os.close(first)
            node.lost = f"{who} has ended"
            self.ended.append({"who": who, "status": None, "log": []})

        for who, first in watched.items():
            assert first is not None
            self.selector.register(first, selectors.EVENT_READ, partial(end, who, first))

    # -- what sessions ask for -----------------------------------------------------------------

    def _node(self, message: channel.Message) -> NodeSpace:
        node = self.nodes.get(message["node"])
        if node is None:  # it was there when the session looked
            raise LabError(f"the lab has no node {message['node']!r} any more", "`netlab ps` lists its nodes")
        if node.lost and message["do"] != "logs":
            raise LabError(node.lost, "nothing can run in it any more: start the lab again")
        return node

    def do_run(self, conversation: Conversation, message: channel.Message, stdio: list[int]) -> None:
        """Run a command in a node; its three standard descriptors came with the message."""
        node = self._node(message)
        node.prepare()
        told = startup.provided(node, message["command"])
        command = process.Command(**{**told, "argv": tuple(told["argv"])})

        def body() -> int:
            process.take_stdio(stdio, terminal=command.terminal)
            programs.become(node, command)
            return 1

        conversation.pid, conversation.node = process.fork(body), node.plan.name
        conversation.tell({"pid": conversation.pid})

    def do_script(self, conversation: Conversation, message: channel.Message, stdio: list[int]) -> None:
        """Run a Python script in a node, from the warm interpreter."""
        node = self._node(message)
        command = startup.provided(node, message["command"]) | {"limits": startup.limits_of(node)}
        conversation.node = node.plan.name
        self.warm.run(conversation, node, command, stdio)

    def do_signal(self, conversation: Conversation, message: channel.Message, _: list[int]) -> None:
        """Signal the command of this conversation."""
        self.signal_command(conversation, message["number"])

    def do_packets(self, conversation: Conversation, message: channel.Message, output: list[int]) -> None:
        """Write the node's packets to the descriptor that came with the message, until SIGTERM."""
        node = self._node(message)
        conversation.pid = visits.listen(node, self.request.plan, *output)

    def do_logs(self, conversation: Conversation, message: channel.Message, output: list[int]) -> None:
        """Write the logs of a node's services to the descriptor that came with the message."""
        node = self._node(message).plan
        paths = building.logs_of(self.logs, node)
        conversation.pid = visits.copy_logs(paths, *output, follow=message["follow"])
        if message["follow"]:
            conversation.follows, conversation.node = True, node.name

    def do_info(self, conversation: Conversation, _: channel.Message, __: list[int]) -> None:
        """Tell what this lab is."""
        plan = self.request.plan
        nodes = {
            node.name: {
                "addresses": [str(one) for port in node.ports for one in port.addresses],
                "services": [service.called for service in node.services],
                "engines": self.serving.engines(node),
                "image": node.image,
            }
            for node in plan.nodes
        }
        shown = self.shown or self.request.out
        out = str(shown) if shown is not None else None
        info = {"name": plan.name, "seed": plan.seed, "nodes": nodes, "out": out, "ended": self.ended}
        conversation.tell({**info, "time_limit": plan.time_limit})

    def do_apply(self, conversation: Conversation, message: channel.Message, packed: list[int]) -> None:
        """Become what the plan says whose descriptor came along, or (`dry`) only tell what would change."""
        if message["language"] != parcel.language():
            raise LabError("the lab was started by another version of netlab", _NEW_START)
        from netlab.backends.inside import applying

        comparison = applying.apply(self, parcel.read(*packed), dry=message["dry"])
        conversation.tell({"changes": applying.told(comparison.changes)})

    def do_wires(self, conversation: Conversation, message: channel.Message, _: list[int]) -> None:
        """Tell of cables, from the `first` that is asked for, and what their wires did."""
        from netlab.backends.inside import splicing

        conversation.tell(splicing.told(self, message["first"]))

    def do_wire(self, conversation: Conversation, message: channel.Message, _: list[int]) -> None:
        """Give a node's cable another wire, or none."""
        from netlab.backends.inside import applying, splicing

        self._node(message)
        comparison = applying.apply(self, splicing.planned(self.request.plan, message), dry=False)
        conversation.tell({"changes": applying.told(comparison.changes)})

    def do_finish(self, conversation: Conversation, _: channel.Message, __: list[int]) -> None:
        """End services and recording, write what kernels counted, tell what had ended before its time."""
        kept = [daemon for daemon in self.services.values() if daemon.stop]
        ending.let_begin(kept, self.stood + _BEGUN_SECONDS)
        self._collect()
        if self.recorder is not None:
            self.wires.come_to_rest()
        self._stop_services()
        if self.recorder is not None:
            last, self.recorder = self.recorder, None
            recorder.finish(last)
        self.ended += self.wires.complaints()
        if self.request.out is not None:
            recorder.write_counters(self.nodes.values(), self.request.out)
        conversation.tell({"ended": self.ended})

    def do_stop(self, _: Conversation, __: channel.Message, ___: list[int]) -> None:
        """End the lab, with its last words for who follows its logs."""
        self._stop_services()
        followers = [each.pid for each in self.conversations if each.follows and each.pid is not None]
        for pid in followers:
            signal_group(pid, signal.SIGTERM)
        process.reap_these(followers, LAST_WORDS_SECONDS)
        os._exit(0)


def _verb(message: channel.Message) -> Callable[..., None]:
    try:
        return VERBS[message["do"]]
    except KeyError:
        what = f"the lab does not know {message.get('do')!r}: another version of netlab started it"
        raise LabError(what, _NEW_START) from None


def _wake_by_children() -> socket.socket:
    """Return a socket that is readable when a child has ended."""
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.detach(), warn_on_full_buffer=False)
    return woken


VERBS = {
    "run": Supervisor.do_run,
    "script": Supervisor.do_script,
    "signal": Supervisor.do_signal,
    "packets": Supervisor.do_packets,
    "logs": Supervisor.do_logs,
    "info": Supervisor.do_info,
    "apply": Supervisor.do_apply,
    "wires": Supervisor.do_wires,
    "wire": Supervisor.do_wire,
    "finish": Supervisor.do_finish,
    "stop": Supervisor.do_stop,
}
