"""Starting a lab of containers: the fabric, the nodes, the images; what has started goes where that fails."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from netlab.backends.docker import containers, image, luggage
from netlab.backends.docker.containers import FABRIC, JOB, Job
from netlab.backends.docker.engine import Engine, Pipe, connect, sweep
from netlab.backends.docker.guard import Guard
from netlab.backends.docker.voice import Voice
from netlab.backends.protocol import Request
from netlab.errors import MachineError, UsageError
from netlab.kernel.engine import LIMITS, limitless
from netlab.plan.model import Plan, PlannedNode
from netlab.topology.model import HttpService

AT_ONCE = 4  # an engine gains nothing from more
_STALE_SECONDS = 5.0  # between a fabric's creation and its start lies one more request


class NameTakenError(Exception):
    """Another lab of that name came first."""


@dataclass(frozen=True, slots=True)
class Started:
    """A lab that serves: its id, its fabric's container, the nodes with images of their own.

    It ends with this process unless `held` is closed; closed after the lab's end, that lets go of everything.
    """

    engine: Engine
    lab: str
    fabric: str
    images: tuple[str, ...]
    held: contextlib.ExitStack


def start(request: Request, user: str, name: str | None) -> Started:
    """Start the containers and wait until the lab serves; what has started goes where that fails.

    A lab with a name has no lease. NameTakenError where another one of this user's has it.
    """
    engine = connect()
    lab = containers.Lab(secrets.token_hex(6), user, image.tag(), abilities(engine.info()), name)
    _check_images(engine, request.plan)
    with contextlib.ExitStack() as undo:
        guard = Guard(lab.id)
        undo.callback(guard.leave_to_it)
        undo.callback(_end, engine, lab.id, guard)
        fabric = _create_fabric(engine, lab, request)
        voice = Voice(engine.attach(fabric, stdin=name is None))
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
        held = contextlib.ExitStack()
        held.callback(guard.let_go)
        held.callback(voice.close)
        return Started(engine, lab.id, fabric, tuple(node.name for node in own), held)


def _end(engine: Engine, lab: str, guard: Guard) -> None:
    """Remove all of a lab; only then is there nothing to guard."""
    sweep(engine, lab)
    guard.let_go()


def _create_fabric(engine: Engine, lab: containers.Lab, request: Request) -> str:
    fabric = _claim(engine, lab)
    job = Job(request.plan, request.out, request.warm, leased=lab.name is None)
    engine.put(fabric, luggage.pack_file(JOB, job.packed()))
    return fabric


def _claim(engine: Engine, lab: containers.Lab) -> str:
    """Create the fabric, whose name is the lab's: who comes second gets NameTakenError.

    One that never starts is no lab: its maker was killed, and its guard too.
    """
    config, called = containers.fabric(lab), lab.container()
    deadline = time.monotonic() + _STALE_SECONDS
    while True:
        try:
            return engine.create(called, config)
        except UsageError as error:
            found = engine.containers(role=FABRIC, user=lab.user, name=str(lab.name))
            if any(each["State"] != "created" for each in found):
                raise NameTakenError(str(error)) from error
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
            if isinstance(service, HttpService) and service.engine == "builtin":
                engine.put(made, luggage.pack_content(service.content))
        engine.start(made, f"node {node.name}")
        return made

    with ThreadPoolExecutor(AT_ONCE) as pool:
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
        made = engine.create(lab.container(node.name, containers.IMAGE), config)
        for service in node.services:
            if isinstance(service, HttpService) and service.engine != "builtin":
                engine.put(made, luggage.pack_content(service.content))
        said = engine.attach(made, stdin=False)
        engine.start(made, called)
        return called, said

    with ThreadPoolExecutor(AT_ONCE) as pool:
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


def abilities(info: Mapping[str, Any]) -> frozenset[str]:
    """Return what the engine can do, of what `containers` asks for."""
    can = set(LIMITS.values()) - set(limitless(info))
    if "apparmor" in " ".join(info.get("SecurityOptions") or ()):
        can.add("apparmor")
    return frozenset(can)
