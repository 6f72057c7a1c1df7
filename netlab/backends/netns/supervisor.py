"""PID 1 of a lab: builds it, keeps its services, and runs what sessions ask for, one event at a time.

A session talks over connections of its own, one for each conversation (see `session`); a closed
connection ends what was run over it, and the owner's closed connection ends the lab.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from netlab.backends.netns import channel, daemons, interpreter
from netlab.backends.netns.nodes import NodeSpace, enter
from netlab.errors import LabError
from netlab.kernel import files, process
from netlab.kernel.firewall import apply
from netlab.kernel.namespace import entered
from netlab.kernel.packets import packet_socket
from netlab.kernel.syscalls import CLONE_NEWNET, setns
from netlab.plan.model import Plan
from netlab.wiring import make_namespaces, wire

LOGS = Path("/run/netlab/logs")
FINISH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """How a lab is started: `out` is the directory that takes its record, `warm` imports Scapy at once."""

    plan: Plan
    out: Path | None = None
    warm: bool = False


@dataclass(slots=True, eq=False)
class Conversation:
    """One connection, and the command that runs over it."""

    end: socket.socket
    pid: int | None = None
    job: int | None = None  # number of the interpreter's job, if it is one


@dataclass(slots=True)
class Supervisor:
    """The lab from inside."""

    request: Request
    owner: socket.socket
    listener: socket.socket | None = None
    nodes: dict[str, NodeSpace] = field(default_factory=dict)
    services: dict[int, daemons.Daemon] = field(default_factory=dict)
    recorder: daemons.Daemon | None = None
    ended: list[dict[str, Any]] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    warm: socket.socket | None = None
    jobs: int = 0
    scripts: dict[str, int] = field(default_factory=dict)
    called_off: set[int] = field(default_factory=set)  # jobs that the interpreter has yet to fork
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    # -- start ---------------------------------------------------------------------------------

    def main(self) -> None:
        """Build the lab, tell the owner, and serve until the owner leaves."""
        try:
            self.build()
        except BaseException as error:
            channel.send(self.owner, {"error": channel.encode_error(error)})
            return
        channel.send(self.owner, {"ready": True})
        self.serve()

    def build(self) -> None:
        """Bring up nodes, wires, rules, recorder and services; all are ready when it returns."""
        self._catch_children()
        LOGS.mkdir(parents=True)
        plan = self.request.plan
        if self.request.warm:
            self._start_interpreter()
        namespaces = make_namespaces(plan)
        fabric = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        wire(plan, fabric, namespaces)
        os.close(fabric)
        self.nodes = {node.name: NodeSpace(node, namespaces[node.name]) for node in plan.nodes}
        self._apply_rules()
        starting = []
        if self.request.out is not None:
            self.recorder = daemons.launch("the recorder", self._record, LOGS / "recorder.log")
            starting.append(self.recorder)
        for node in self.nodes.values():
            for service in node.plan.services:
                daemon = daemons.launch_service(
                    node, service, self.logs / f"{node.plan.name}-{service.kind}.log"
                )
                self.services[daemon.pid] = daemon
                starting.append(daemon)
        daemons.wait_ready({daemon.ready: daemon for daemon in starting})

    @property
    def logs(self) -> Path:
        """The directory of the services' logs: in the record, if there is one."""
        return self.request.out / "logs" if self.request.out is not None else LOGS

    def _apply_rules(self) -> None:
        for node in self.nodes.values():
            if node.plan.rules:
                with entered(node.network):
                    apply(node.plan.rules)

    def _record(self, ready: Callable[[], None]) -> int:
        from netlab.recording import record

        assert self.request.out is not None
        try:
            with (self.request.out / "capture.pcapng").open("wb") as output:
                record(self.request.plan, output, ready)
        except OSError as error:
            os.write(2, f"{error.filename or 'capture.pcapng'}: {error.strerror}\n".encode())
            return 1
        return 0

    def _start_interpreter(self) -> socket.socket:
        ours, theirs = channel.pair()

        def body() -> int:
            gc.freeze()
            process.keep_only(theirs.fileno())
            return interpreter.serve(theirs)

        process.fork(body)
        theirs.close()
        self.selector.register(ours, selectors.EVENT_READ, self._from_interpreter)
        self.warm = ours
        return ours

    # -- serve ---------------------------------------------------------------------------------

    def _catch_children(self) -> None:
        """Let the end of a child wake the loop."""
        woken, wake = socket.socketpair()
        for end in (woken, wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.detach(), warn_on_full_buffer=False)
        self.selector.register(woken, selectors.EVENT_READ, lambda: self._reap(woken))

    def serve(self) -> None:
        """Serve until the owner's connection closes; in a lab that outlives its maker, until it is told."""
        if self.listener is None:
            self.selector.register(self.owner, selectors.EVENT_READ, self._from_owner)
        else:
            self.owner.close()
            self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        while True:
            for key, _ in self.selector.select():
                key.data()

    def _from_owner(self) -> None:
        """Take the connection of a new conversation; the owner sends nothing else."""
        received = channel.receive(self.owner)
        if received is None:
            os._exit(0)
        for descriptor in received[1]:
            self._converse(socket.socket(fileno=descriptor))

    def _accept(self) -> None:
        assert self.listener is not None
        end, _ = self.listener.accept()
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
            VERBS[message["do"]](self, conversation, message, descriptors)
        except Exception as error:  # whatever one request provokes, the lab goes on
            self._tell(conversation, {"error": channel.encode_error(error)})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _tell(
        self, conversation: Conversation, message: channel.Message, descriptors: tuple[int, ...] = ()
    ) -> None:
        """Send, to a session that may have left meanwhile."""
        with contextlib.suppress(LabError):
            channel.send(conversation.end, message, descriptors)

    def _end(self, conversation: Conversation) -> None:
        """Forget a conversation whose session has left, and kill what it ran."""
        self.selector.unregister(conversation.end)
        conversation.end.close()
        self.conversations.remove(conversation)
        self._signal(conversation, signal.SIGKILL)

    def _signal(self, conversation: Conversation, number: int) -> None:
        """Signal the whole session of a command; a script that has not started yet is called off."""
        if conversation.pid is not None:
            _signal_session(conversation.pid, number)
        elif conversation.job is not None:
            self.called_off.add(conversation.job)
            conversation.job = None
            self._tell(conversation, {"exit": -number})

    def _reap(self, woken: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while woken.recv(4096):
                pass
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended(ended[0], os.waitstatus_to_exitcode(ended[1]))

    def _ended(self, pid: int, status: int) -> None:
        for conversation in self.conversations:
            if conversation.pid == pid and conversation.job is None:
                self._tell(conversation, {"exit": status})
                conversation.pid = None
        daemon = self.services.pop(pid, None)
        if daemon is None and self.recorder is not None and self.recorder.pid == pid:
            daemon, self.recorder = self.recorder, None
        if daemon is not None:
            self.ended.append({"who": daemon.who, "status": status, "log": list(daemon.last_lines())})

    # -- what sessions ask for -----------------------------------------------------------------

    def _node(self, message: channel.Message) -> NodeSpace:
        return self.nodes[message["node"]]

    def do_run(self, conversation: Conversation, message: channel.Message, stdio: list[int]) -> None:
        """Run a command in a node; its three standard descriptors came with the message."""
        place = self._node(message).descriptors()
        command = process.Command(**{**message["command"], "argv": tuple(message["command"]["argv"])})
        where = f"node {message['node']}"

        def body() -> int:
            process.take_stdio(stdio, terminal=command.terminal)
            enter(place)
            process.become(command, where)

        conversation.pid = process.fork(body)
        self._tell(conversation, {"pid": conversation.pid})

    def do_script(self, conversation: Conversation, message: channel.Message, stdio: list[int]) -> None:
        """Run a Python script in a node, from the warm interpreter."""
        warm = self.warm or self._start_interpreter()
        self.jobs += 1
        conversation.job = self.jobs
        seed = self._seed(message["node"])
        names = {node.name: str(node.address) for node in self.request.plan.nodes}
        job = {"id": self.jobs, "seed": seed, "names": names, **message["command"]}
        channel.send(warm, job, (*stdio, *self._node(message).descriptors()))

    def _seed(self, node: str) -> str:
        """Return the seed of a node's next script: a second one must not take the first one's ports again."""
        self.scripts[node] = number = self.scripts.get(node, 0) + 1
        seed = f"{self.request.plan.seed}/{node}"
        return seed if number == 1 else f"{seed}/{number}"

    def _from_interpreter(self) -> None:
        assert self.warm is not None
        received = channel.receive(self.warm)
        if received is None:
            self.selector.unregister(self.warm)
            self.warm.close()
            self.warm = None
            self.called_off.clear()
            lost = LabError("the lab's Python interpreter was killed", "run the script again: it starts anew")
        elif received[0]["id"] in self.called_off:
            self.called_off.remove(received[0]["id"])
            _signal_session(received[0]["pid"], signal.SIGKILL)
        for conversation in self.conversations:
            if received is None and conversation.job is not None:
                self._tell(conversation, {"error": channel.encode_error(lost)})
                conversation.job = None
            elif received is not None and conversation.job == received[0]["id"]:
                message = {key: value for key, value in received[0].items() if key != "id"}
                conversation.pid = message.get("pid")
                conversation.job = None if "exit" in message else conversation.job
                self._tell(conversation, message)

    def do_signal(self, conversation: Conversation, message: channel.Message, _: list[int]) -> None:
        """Signal the command of this conversation."""
        self._signal(conversation, message["number"])

    def do_packets(self, conversation: Conversation, message: channel.Message, _: list[int]) -> None:
        """Hand out a packet socket that hears the node's interfaces, and their names by index."""
        node = self._node(message)
        ours, theirs = channel.pair()

        def body() -> int:
            setns(node.network, CLONE_NEWNET)
            sock = packet_socket(ignore_outgoing=False)
            names = {str(index): name for index, name in socket.if_nameindex()}
            channel.send(theirs, names, (sock.fileno(),))
            return 0

        process.fork(body)
        theirs.close()
        received = channel.receive(ours)
        ours.close()
        if received is None:
            raise LabError(f"cannot listen in node {message['node']}", "see `netlab doctor`")
        names, descriptors = received
        self._tell(conversation, {"interfaces": names}, tuple(descriptors))
        for descriptor in descriptors:
            os.close(descriptor)

    def do_logs(self, conversation: Conversation, message: channel.Message, _: list[int]) -> None:
        """Hand out the logs of a node's services, open for reading."""
        for service in self._node(message).plan.services:
            path = self.logs / f"{message['node']}-{service.kind}.log"
            with files.open_regular(path) as log:
                self._tell(conversation, {"log": service.kind}, (log.fileno(),))
        self._tell(conversation, {"end": True})

    def do_info(self, conversation: Conversation, _: channel.Message, __: list[int]) -> None:
        """Tell what this lab is."""
        plan = self.request.plan
        nodes = {
            node.name: {
                "addresses": [str(port.address) for port in node.ports],
                "services": [service.kind for service in node.services],
            }
            for node in plan.nodes
        }
        out = str(self.request.out) if self.request.out is not None else None
        info = {"name": plan.name, "seed": plan.seed, "nodes": nodes, "out": out, "ended": self.ended}
        self._tell(conversation, info)

    def do_finish(self, conversation: Conversation, _: channel.Message, __: list[int]) -> None:
        """End the recording, write what each node's kernel counted, tell what had ended before its time."""
        if self.recorder is not None:
            recorder, self.recorder = self.recorder, None
            daemons.finish(recorder, FINISH_SECONDS)
        if self.request.out is not None:
            self._write_counters(self.request.out / "kernel.json")
        self._tell(conversation, {"ended": self.ended})

    def _write_counters(self, path: Path) -> None:
        def body() -> int:
            from netlab.kernel.counters import read

            counted = {}
            for node in self.nodes.values():
                setns(node.network, CLONE_NEWNET)
                counted[node.plan.name] = read(node.plan.rules)
            with os.fdopen(writing, "w") as told:
                told.write(json.dumps(counted, indent=1) + "\n")
            return 0

        reading, writing = os.pipe()
        child = process.fork(body)
        os.close(writing)
        with os.fdopen(reading) as told:
            text = told.read()
        if os.waitpid(child, 0)[1]:
            raise LabError("the kernels' counters could not be read", "see `netlab doctor`")
        try:
            files.replace(path, text)
        except OSError as error:
            raise LabError(
                f"cannot write to {path}: {error.strerror}", "make room, or choose --out DIR"
            ) from error

    def do_stop(self, _: Conversation, __: channel.Message, ___: list[int]) -> None:
        """End the lab: PID 1 goes, and the kernel takes the rest."""
        os._exit(0)


def _signal_session(pid: int, number: int) -> None:
    """Signal the process group that a command leads."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        # Between its fork and its setsid it leads none; once it is signalled itself, it may have one.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            os.killpg(pid, number)


VERBS = {
    "run": Supervisor.do_run,
    "script": Supervisor.do_script,
    "signal": Supervisor.do_signal,
    "packets": Supervisor.do_packets,
    "logs": Supervisor.do_logs,
    "info": Supervisor.do_info,
    "finish": Supervisor.do_finish,
    "stop": Supervisor.do_stop,
}
