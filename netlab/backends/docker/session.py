"""A lab of containers from outside: starting it, finding one that runs, and asking for things in it.

Nothing here needs to be root, to share a machine with the engine, or to be on Linux beyond POSIX.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import secrets
import select
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlab.backends import protocol
from netlab.backends.docker import containers, glance, luggage
from netlab.backends.docker.containers import FABRIC, PLAN
from netlab.backends.docker.conversation import Conversation, Running
from netlab.backends.docker.imagelog import ImageLog
from netlab.backends.inside import parcel
from netlab.backends.protocol import Request, Rewire, check_name, every_cable
from netlab.errors import LabError, NetlabError, UsageError
from netlab.kernel.process import Command
from netlab.plan.model import Plan, PlannedNode
from netlab.topology.model import ExecService, HttpService

if TYPE_CHECKING:
    from netlab.backends.docker.starting import Started
    from netlab.plan.changes import Change

_RECORDED = re.compile(r"[\w-]+\.pcapng|(kernel|services)\.json|logs/[\w.-]+\.log", re.ASCII)
_STOP_SECONDS = 10.0  # without a word; services have 2 s
_UNFIT = re.compile(r"[^a-zA-Z0-9_.-]")


class Session:
    """A running lab, whose supervisor is PID 1 of the container `fabric`."""

    shares_machine = False

    def __init__(self, begun: Started, *, asks: bool) -> None:
        self._engine = begun.engine
        self._lab = begun.lab
        self._fabric = begun.fabric
        self._images = begun.images
        self._held = begun.held
        self._asks = asks  # there may be services that are to be asked to end

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
            found = self._engine.containers(lab=self._lab, role=role, node=node)
            if not found:
                raise LabError(f"the container of node {node} has ended", "start the lab again")
            self._engine.put(found[0]["Id"], luggage.pack(path.parent, Path(command.directory)))
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
        conversation, told = self._introduce()
        conversation.close()
        return told

    def apply(self, plan: Plan, *, dry: bool = False) -> list[Change]:
        """Bring the lab to what a plan says, or tell what that would change."""
        changes = self._apply(plan, dry=True)
        if not dry:
            serving = {change.subject for change in changes if change.aspect == "service"}
            for node in plan.nodes:
                if node.name in serving:
                    self._take_content(node)
            self._asks = self._asks or _has_exec(plan)
            changes = self._apply(plan, dry=False)
        return changes

    def _apply(self, plan: Plan, *, dry: bool) -> list[Change]:
        from netlab.plan.changes import Change

        path = f"{PLAN}-{secrets.token_hex(6)}"
        self._engine.put(self._fabric, luggage.pack_file(path, parcel.pack(plan)))
        message = {"do": "apply", "language": parcel.language(), "dry": dry}
        request = {"message": message, "streams": None, "file": path}
        with contextlib.closing(Conversation(self._engine, self._fabric, request)) as conversation:
            return [Change(**told) for told in conversation.ask()["changes"]]

    def _take_content(self, node: PlannedNode) -> None:
        """Put what a node's servers serve into its container."""
        for service in node.services:
            if not isinstance(service, HttpService):
                continue
            role = "node" if service.engine == "builtin" else containers.IMAGE
            for each in self._engine.containers(lab=self._lab, role=role, node=node.name):
                self._engine.put(each["Id"], luggage.pack_content(service.content))

    def wires(self) -> dict[str, Any]:
        """Return the lab's cables, with what their wires did."""
        return every_cable(lambda first: self._ask("wires", first=first))

    def wire(self, asked: Rewire) -> list[Change]:
        """Give a cable another wire."""
        from netlab.plan.changes import Change

        with contextlib.closing(self._converse({"do": "wire", **asdict(asked)})) as conversation:
            return [Change(**told) for told in conversation.ask()["changes"]]

    def finish(self) -> list[dict[str, Any]]:
        """Complete the record and bring it here."""
        out = self.info()["out"]
        try:
            ended: list[dict[str, Any]] = self._ask("finish")["ended"]
            self._asks = False
        finally:
            if out is not None:
                self._fetch(Path(out))
        return ended

    def _fetch(self, out: Path) -> None:
        """Write the record that the fabric has kept to its directory here."""
        with (
            contextlib.closing(self._converse({"do": "fetch"})) as conversation,
            tarfile.open(fileobj=conversation.output(), mode="r|") as archive,
        ):
            for member in archive:
                if member.isreg() and _RECORDED.fullmatch(member.name):
                    _write(out / member.name, archive.extractfile(member))

    def lease(self) -> Conversation:
        """Return a connection that becomes readable when the lab has ended."""
        return self._introduce()[0]

    def _introduce(self) -> tuple[Conversation, dict[str, Any]]:
        """Ask what the lab is; what ends without an answer is asked once more.

        A busy Podman may end the program that carries the question without a word, while the lab goes on.
        """
        try:
            return self._introduced()
        except LabError:
            return self._introduced()

    def _introduced(self) -> tuple[Conversation, dict[str, Any]]:
        conversation = self._converse({"do": "info"})
        try:
            return conversation, conversation.ask()
        except BaseException:
            conversation.close()
            raise

    def _ask(self, verb: str, **more: int) -> dict[str, Any]:
        with contextlib.closing(self._converse({"do": verb, **more})) as conversation:
            return conversation.ask()

    def _converse(self, message: dict[str, Any]) -> Conversation:
        return Conversation(self._engine, self._fabric, {"message": message, "streams": None})

    def close(self) -> None:
        """End the lab and wait until the engine has removed all of it."""
        from netlab.backends.docker.engine import sweep

        if self._asks:
            self._stop()
        sweep(self._engine, self._lab)
        self._held.close()
        self._engine.close()

    def _stop(self) -> None:
        """Have the services end as each wants it, and with them the lab: an engine would only kill."""
        with contextlib.suppress(NetlabError), contextlib.closing(self._converse({"do": "stop"})) as end:
            poll = select.poll()
            poll.register(end, select.POLLIN)
            while poll.poll(_STOP_SECONDS * 1000):
                end.receive()  # LabError, as soon as it has ended


def _has_exec(plan: Plan) -> bool:
    return any(isinstance(service, ExecService) for node in plan.nodes for service in node.services)


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
    from netlab.backends.docker import starting

    begun = starting.start(request, user(), None)
    return Session(begun, asks=_has_exec(request.plan))


def start_detached(request: Request, name: str, *, lock: int | None = None) -> bool:  # noqa: ARG001
    """Start a lab that outlives this process, under a name; being elsewhere, it cannot hold `lock`."""
    from netlab.backends.docker import starting

    check_name(name)
    try:
        starting.start(request, user(), name).held.close()
    except starting.NameTakenError as error:
        hint = f"end it with `netlab down {name}`, or give this one a --name"
        raise UsageError(f"a lab named {name!r} is running already", hint) from error
    return False


# -- labs that run -----------------------------------------------------------------------------------


def attach(name: str) -> Session:
    """Find a lab that `start_detached` started; UsageError where there is none of that name."""
    from netlab.backends.docker.engine import connect
    from netlab.backends.docker.starting import Started

    engine = connect()
    for each in engine.containers(role=FABRIC, user=user(), name=name):
        if each["State"] == "running":
            lab = each["Labels"][containers.LAB]
            images = tuple(
                found["Labels"][containers.NODE]
                for found in engine.containers(lab=lab, role=containers.IMAGE)
            )
            begun = Started(engine, lab, each["Id"], images, contextlib.ExitStack())
            return Session(begun, asks=True)  # what serves in it, nobody here knows
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
