"""What tests of labs in containers share: users of their own, what is left of them, a proxy of the engine.

Engines are shared too: a test's labs are those of a user whom nobody else has.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from netlab.kernel.engine import host
from netlab.lab import Lab
from netlab.plan.model import Plan
from tests.system import harness
from tests.system.engine.fixtures import lacking

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

SOON = 2.0  # seconds after which an engine may have nothing left of a lab


def web_plan() -> Plan:
    """Plan the shipped lab of client, dns and web, in containers."""
    return replace(harness.web_plan(), backend="docker")


def make_user() -> str:
    """Make a user's name, for LOGNAME: it is what netlab's labels say."""
    return f"test-{uuid.uuid4().hex[:12]}"


def in_fabric(running: Lab, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in the container that holds a lab's switches, as only the engine's user can."""
    session: Any = running._session
    api = session._engine.api
    made = api.exec_create(session._fabric, list(argv))["Id"]
    out, err = ((each or b"").decode() for each in api.exec_start(made, demux=True))
    return subprocess.CompletedProcess(list(argv), api.exec_inspect(made)["ExitCode"], out, err)


def of_user(engine: Engine, user: str) -> list[str]:
    """Name what an engine has of a user's labs: containers in any state, networks, volumes."""
    wanted = {"label": [f"netlab.user={user}"]}
    found = [
        f"container {each['Names'][0]} ({each['State']})"
        for each in engine.api.containers(all=True, filters=wanted)
    ]
    found += [f"network {each['Name']}" for each in engine.api.networks(filters=wanted)]
    return found + [f"volume {each['Name']}" for each in engine.api.volumes(filters=wanted)["Volumes"] or ()]


def of_lab(engine: Engine, user: str) -> dict[str, dict[str, Any]]:
    """Return what the engine says of each container of a user's one lab: by role, or by its node's name."""
    found = engine.api.containers(all=True, filters={"label": [f"netlab.user={user}"]})
    named = {}
    for each in found:
        labels = each["Labels"]
        role, node = labels["netlab.role"], labels.get("netlab.node", "")
        name = node if role == "node" else f"{role} {node}".strip()
        with contextlib.suppress(docker.errors.NotFound):  # it has gone meanwhile
            named[name] = engine.api.inspect_container(each["Id"])
    return named


def need_image(engine: Engine, name: str) -> None:
    """Skip a test, or fail it where engines are required, unless the engine has one of the tests' images."""
    if engine.image(name) is None:
        lacking(f"the engine has no image {name}: python -m tests.system.engine.load makes it")


def remove(engine: Engine, user: str) -> None:
    """Remove all that is left of a user's labs."""
    for each in engine.api.containers(all=True, filters={"label": [f"netlab.user={user}"]}):
        engine.remove(each["Id"])


# -- between a driver and its engine -------------------------------------------------------------------

SENT, ANSWERED = "sent", "answered"


@dataclass
class Proxy:
    """Passes requests on to an engine; `notice` is told of each when it comes, and when its answer begins.

    It gets the request's number, from 1, and which of the two; what it does comes before it is passed on.
    `requests` are the lines that ask, as "POST /v1.41/containers/create".
    """

    engine: Path
    path: Path
    notice: Callable[[int, str], None] = lambda *_: None
    requests: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """What DOCKER_HOST is for who is to come by here."""
        return f"unix://{self.path}"

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is shut."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._carry, args=[client], daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.socket(socket.AF_UNIX) as engine:
            engine.connect(str(self.engine))
            held = b""
            while held := _request(client, held):
                head = held.partition(b"\r\n")[0].decode()
                with self._lock:
                    self.requests.append(head.removesuffix(" HTTP/1.1"))
                    number = len(self.requests)
                self.notice(number, SENT)
                engine.sendall(held)
                held = self._answer(number, client, engine, b"upgrade: tcp" in held.lower())

    def _answer(self, number: int, client: socket.socket, engine: socket.socket, hijacked: bool) -> bytes:
        """Carry the answer, and what is no HTTP any more both ways; return the next request's beginning."""
        is_answered = False
        while True:
            ready, _, _ = select.select([client, engine], [], [])
            if engine in ready:
                data = engine.recv(1 << 16)
                if not is_answered:
                    self.notice(number, ANSWERED)
                is_answered = True
                if not data:
                    raise ConnectionError("the engine has closed the connection")
                client.sendall(data)
            if client in ready:
                data = client.recv(1 << 16)
                if not hijacked and not data and not is_answered:
                    # The engine sees that nobody waits any more, as it would; we learn when it is done.
                    engine.shutdown(socket.SHUT_WR)
                    engine.recv(1)
                    self.notice(number, ANSWERED)
                if not hijacked or not data:
                    return data
                engine.sendall(data)


def _request(client: socket.socket, held: bytes) -> bytes:
    """Return one whole request, of which `held` has come already; nothing at the end."""
    while b"\r\n\r\n" not in held:
        data = client.recv(1 << 16)
        if not data:
            return b""
        held += data
    head, _, body = held.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]):
        body += client.recv(1 << 16)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def proxy(notice: Callable[[int, str], None] = lambda *_: None) -> Iterator[Proxy]:
    """Stand between a driver and the engine that DOCKER_HOST names."""
    if not host().startswith("unix://"):
        lacking("only an engine at a Unix socket can be stood in front of")
    # A socket's path is short: sun_path holds 108 bytes (unix(7)).
    with tempfile.TemporaryDirectory(prefix="nl-") as directory, socket.socket(socket.AF_UNIX) as listener:
        engine = Path(host().removeprefix("unix://"))
        made = Proxy(engine, Path(directory, "engine.sock"), notice)
        listener.bind(str(made.path))
        listener.listen(64)
        thread = threading.Thread(target=made.serve, args=[listener], daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
