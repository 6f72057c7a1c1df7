"""A lab of containers from outside: starting it, finding one that runs, and asking for things in it.

Nothing here needs to be root, to share a machine with the engine, or to be on Linux beyond POSIX.
"""

from __future__ import annotations

import contextlib
import getpass
import io
import os
import pickle
import re
import secrets
import select
import tarfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlab.backends import protocol
from netlab.backends.docker import containers, glance, image, luggage
from netlab.backends.docker.containers import FABRIC, JOB, Job
from netlab.backends.docker.conversation import Conversation, Running, answer
from netlab.backends.docker.imagelog import ImageLog
from netlab.backends.protocol import Request, check_name
from netlab.errors import LabError, MachineError, ServiceError, UsageError
from netlab.kernel.process import Command
from netlab.plan.model import Plan, PlannedNode
from netlab.topology.model import HttpService

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine, Pipe

_AT_ONCE = 4  # an engine gains nothing from more
_RECORDED = re.compile(r"capture\.pcapng|kernel\.json|logs/[\w.-]+\.log", re.ASCII)
_UNFIT = re.compile(r"[^a-zA-Z0-9_.-]")
_SETTLE_SECONDS = 0.3
_STALE_SECONDS = 5.0  # between a fabric's creation and its start lies one more request
_LAST_LINES = 12


class Session:
    """A running lab, whose supervisor is PID 1 of the container `fabric`."""

    shares_machine = False

    def __init__(self, engine: Engine, lab: str, fabric: str, images: Sequence[str]) -> None:
        self._engine = engine
        self._lab = lab
        self._fabric = fabric
        self._images = images
        self.held = contextlib.ExitStack()  # what ends the lab when this process ends

    def run(self, node: str, command: Command, stdio: Sequence[int], *, script: bool = False) -> Running:
        """Start a command in a node; a program or script given by its path is taken there."""
        role = "node" if script or node not in self._images else "image"
        if not self._take_along(node, role, command) and role == "image":
            command = replace(command, directory="")  # the image's own
        message = {"do": "script" if script else "run", "node": node, "command": asdict(command)}
        return self._start(message, stdio, terminal=command.terminal)

    def _take_along(self, node: str, role: str, command: Command) -> bool:
        """Put a program of the caller's, with what lies beside it, at the same place in the node."""
        named = command.argv[0]
        path = Path(command.directory, named)
        # What is named by its whole path is the node's own, unless it is a script.
        is_relative = "/" in named and not named.startswith("/")
        is_ours = (is_relative or named.endswith(".py")) and path.is_file()
        if is_ours:
            (container,) = self._engine.containers(lab=self._lab, role=role, node=node)
            self._engine.put(container["Id"], luggage.pack(path.parent, Path(command.directory)))
        return is_ours

    def packets(self, node: str, output: int) -> Running:
        """Write a node's packets to a descriptor."""
        return self._start({"do": "packets", "node": node}, (output,))

    def logs(self, node: str, output: int, *, follow: bool) -> protocol.Running:
        """Write the logs of a node's services, and what its own image's program says, to a descriptor."""
        services = self._start({"do": "logs", "node": node, "follow": follow}, (output,))
        if node not in self._images:
            return services
        found = self._engine.containers(lab=self._lab, role=containers.IMAGE, node=node)
        sources = [self._engine.log(each["Id"], follow=follow) for each in found]
        return ImageLog(sources, services, output)

    def _start(self, message: dict[str, Any], stdio: Sequence[int], *, terminal: bool = False) -> Running:
        return Running(self._engine, self._fabric, message, stdio, terminal=terminal)

    def info(self) -> dict[str, Any]:
        """Return what the lab is."""
        return self._ask("info")

    def finish(self) -> list[dict[str, Any]]:
        """Complete the record and bring it here."""
        out = self.info()["out"]
        try:
            ended: list[dict[str, Any]] = self._ask("finish")["ended"]
        finally:
            if out is not None:
                self._fetch(Path(out))
        return ended

    def _fetch(self, out: Path) -> None:
        """Write the record that the fabric has kept to its directory here."""
        with contextlib.closing(self._converse({"do": "fetch"})) as conversation:
            packed = io.BytesIO(conversation.read_all())
        with tarfile.open(fileobj=packed) as archive:
            for member in archive:
                if member.isreg() and _RECORDED.fullmatch(member.name):
                    _write(out / member.name, archive.extractfile(member))

    def lease(self) -> Conversation:
        """Return a connection that becomes readable when the lab has ended."""
        conversation = self._converse({"do": "info"})
        conversation.ask()
        return conversation

    def _ask(self, verb: str) -> dict[str, Any]:
        with contextlib.closing(self._converse({"do": verb})) as conversation:
            return conversation.ask()

    def _converse(self, message: dict[str, Any]) -> Conversation:
        return Conversation(self._engine, self._fabric, {"message": message, "streams": None})

    def close(self) -> None:
        """End the lab and wait until the engine has removed all of it."""
        from netlab.backends.docker.engine import sweep

        sweep(self._engine, self._lab)
        self.held.close()
        self._engine.close()


def _write(path: Path, source: Any) -> None:  # noqa: ANN401 — tarfile's own kind of file
    try:
        with path.open("wb") as file:
            while data := source.read(1 << 20):
                file.write(data)
    except OSError as error:
        raise LabError(f"cannot write {path}: {error.strerror}", "make room, or choose --out DIR") from error


# -- a new lab -------------------------------------------------------------------------------------


def start(request: Request) -> Session:
    """Start a lab that ends with this process, or with `close`."""
    return _start(request, None)


def start_detached(request: Request, name: str, *, lock: int | None = None) -> None:  # noqa: ARG001
    """Start a lab that outlives this process, under a name; being elsewhere, it cannot hold `lock`."""
    check_name(name)
    try:
        session = _start(request, name)
    except _NameTakenError as error:
        hint = f"end it with `netlab down {name}`, or give this one a --name"
        raise UsageError(f"a lab named {name!r} is running already", hint) from error
    session.held.close()


class _NameTakenError(UsageError):
    """Another lab of that name came first."""


def _start(request: Request, name: str | None) -> Session:
    """Start the containers and wait until the lab serves; what has started goes where that fails."""
    from netlab.backends.docker.engine import connect, sweep
    from netlab.backends.docker.guard import Guard

    engine = connect()
    lab = containers.Lab(secrets.token_hex(6), user(), image.tag(), _abilities(engine.info()), name)
    _check_images(engine, request.plan)
    with contextlib.ExitStack() as undo:
        guard = Guard(lab.id)
        undo.callback(guard.let_go)
        undo.callback(sweep, engine, lab.id)
        fabric = _create_fabric(engine, lab, request)
        voice = _Voice(engine.attach(fabric, stdin=name is None))
        undo.callback(voice.close)
        engine.start(fabric, "the lab's fabric")
        processes = engine.joined(fabric, "pid")
        nodes = _start_nodes(engine, lab, request.plan, processes)
        own = _images_of(request.plan)
        if own:
            voice.hear("wired")
            networks = {node.name: engine.joined(nodes[node.name], "net") for node in own}
            starting = _start_images(engine, lab, own, processes, networks)
            voice.hear("ready", starting)
            voice.settle(starting)
        else:
            voice.hear("ready")
        undo.pop_all()
        session = Session(engine, lab.id, fabric, tuple(node.name for node in own))
        session.held.callback(guard.let_go)
        session.held.callback(voice.close)
        return session


def _create_fabric(engine: Engine, lab: containers.Lab, request: Request) -> str:
    fabric = _claim(engine, lab)
    job = Job(request.plan, request.out, request.warm, leased=lab.name is None)
    engine.put(fabric, luggage.pack_file(JOB, pickle.dumps(job)))
    return fabric


def _claim(engine: Engine, lab: containers.Lab) -> str:
    """Create the fabric, whose name is the lab's: who comes second gets _NameTakenError.

    One that never starts is no lab: its maker was killed, and its guard too.
    """
    config, called = containers.fabric(lab), lab.container(FABRIC)
    deadline = time.monotonic() + _STALE_SECONDS
    while True:
        try:
            return engine.create(called, config)
        except UsageError as error:
            found = engine.containers(role=FABRIC, user=lab.user, name=str(lab.name))
            if any(each["State"] != "created" for each in found):
                raise _NameTakenError(str(error)) from error
            if time.monotonic() > deadline:
                if not found:
                    raise  # a container of somebody else's
                for each in found:
                    engine.remove(each["Id"])
        time.sleep(0.05)


def _start_nodes(engine: Engine, lab: containers.Lab, plan: Plan, processes: str) -> dict[str, str]:
    """Start the nodes' containers and return their ids by name."""

    def begin(node: PlannedNode) -> str:
        made = engine.create(lab.container(node.name), containers.node(lab, node, processes))
        for service in node.services:
            if isinstance(service, HttpService):
                engine.put(made, luggage.pack(service.content))
        engine.start(made, f"node {node.name}")
        return made

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip((node.name for node in plan.nodes), pool.map(begin, plan.nodes), strict=True))


def _start_images(
    engine: Engine,
    lab: containers.Lab,
    own: Sequence[PlannedNode],
    processes: str,
    networks: Mapping[str, str],
) -> dict[str, Pipe]:
    """Start the containers of the nodes' own images; return what they print, by what messages call them."""

    def begin(node: PlannedNode) -> tuple[str, Pipe]:
        called = f"image {node.image} of node {node.name}"
        config = containers.image(lab, node, processes, networks[node.name])
        made = engine.create(lab.container(f"{node.name}-image"), config)
        said = engine.attach(made, stdin=False)
        engine.start(made, called)
        return called, said

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(pool.map(begin, own))


def _images_of(plan: Plan) -> list[PlannedNode]:
    return [node for node in plan.nodes if node.image is not None]


def _check_images(engine: Engine, plan: Plan) -> None:
    """Raise MachineError where an image is missing: nothing is pulled without being asked for."""
    image.check(engine.image(image.tag()))
    for node in _images_of(plan):
        assert node.image is not None
        if engine.image(node.image) is None:
            what = f"node {node.name}: the container engine has no image {node.image}"
            raise MachineError(what, f"fetch it (netlab does not by itself): docker pull {node.image}")


def _abilities(info: Mapping[str, Any]) -> frozenset[str]:
    """Return what the engine can limit, of what `containers` asks for."""
    told = {
        "memory": info.get("MemoryLimit"),
        "processes": info.get("PidsLimit"),
        "cpus": info.get("CpuCfsQuota"),
    }
    options = " ".join(info.get("SecurityOptions") or ())
    rootless = info.get("Rootless") is True or "name=rootless" in options
    # Without cgroups of its own, Podman's word on processes cannot be relied on.
    if rootless and (str(info.get("CgroupVersion")) == "1" or not info.get("MemoryLimit")):
        told = {}
    return frozenset(name for name, can in {**told, "apparmor": "apparmor" in options}.items() if can)


class _Voice:
    """What the fabric's PID 1 says as it builds the lab: a line of JSON at each step."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._lines = b""
        self._faults = b""

    def hear(self, step: str, starting: Mapping[str, Pipe] | None = None) -> None:
        """Wait until it says that a step is done; raise the error that it says.

        LabError where it has gone, or one of the containers that are `starting` has ended.
        """
        while not any(step in answer(line) for line in self._whole_lines()):
            _wait_for(self._pipe, starting or {}, None)
            pieces = self._pipe.read()
            if pieces is None:
                why = self._faults.decode(errors="replace").strip().splitlines()
                what = "the lab's supervisor ended while it started" + (f": {why[-1]}" if why else "")
                raise LabError(what, "start it again; `netlab image build` makes its image anew")
            for number, data in pieces:
                if number == 1:
                    self._lines += data
                else:
                    self._faults += data

    def settle(self, starting: Mapping[str, Pipe]) -> None:
        """Give images a moment in which to fail."""
        _wait_for(self._pipe, starting, _SETTLE_SECONDS)
        for pipe in starting.values():
            pipe.close()

    def _whole_lines(self) -> list[bytes]:
        *lines, self._lines = self._lines.split(b"\n")
        return lines

    def close(self) -> None:
        """Let go of it; a lab that hangs on it ends."""
        self._pipe.close()


def _wait_for(voice: Pipe, starting: Mapping[str, Pipe], seconds: float | None) -> None:
    """Wait until the voice says something; ServiceError with its last words where an image's program ends."""
    poll = select.poll()
    by_descriptor = {pipe.fileno(): name for name, pipe in starting.items()}
    for descriptor in (voice.fileno(), *by_descriptor):
        poll.register(descriptor, select.POLLIN)
    said: dict[str, bytes] = dict.fromkeys(starting, b"")
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = [descriptor for descriptor, _ in poll.poll(left)]
        for name in (by_descriptor[descriptor] for descriptor in ready if descriptor in by_descriptor):
            pieces = starting[name].read()
            if pieces is None:
                log = tuple(said[name].decode(errors="replace").splitlines()[-_LAST_LINES:])
                raise ServiceError(
                    f"{name}: its program ended as soon as it had started",
                    "it said" if log else "it said nothing",
                    log,
                )
            said[name] += b"".join(data for _, data in pieces)
        if voice.fileno() in ready or not ready:
            return


# -- labs that run -----------------------------------------------------------------------------------


def attach(name: str) -> Session:
    """Find a lab that `start_detached` started; UsageError where there is none of that name."""
    from netlab.backends.docker.engine import connect

    engine = connect()
    for each in engine.containers(role=FABRIC, user=user(), name=name):
        if each["State"] == "running":
            lab = each["Labels"][containers.LAB]
            images = [
                found["Labels"][containers.NODE]
                for found in engine.containers(lab=lab, role=containers.IMAGE)
            ]
            return Session(engine, lab, each["Id"], images)
    raise UsageError(f"no lab named {name!r} is running", "`netlab ps` lists those that do")


def names() -> list[str]:
    """Return the names of this user's labs that outlive their makers; none where no engine answers."""
    found = glance.containers({containers.ROLE: FABRIC, containers.USER: user()})
    labels = (each["Labels"] for each in found if each["State"] == "running")
    return sorted(each[containers.NAME] for each in labels if containers.NAME in each)


def user() -> str:
    """Return what the labels call who is running this: engines are shared."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return _UNFIT.sub("-", name)
