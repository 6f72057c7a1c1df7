"""A container engine that answers, through the Docker SDK; what it refuses, as sentences.

The one module that imports the SDK, a third of a second: whoever needs no container must not import this one.
"""

from __future__ import annotations

import contextlib
import re
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docker
import docker.errors
import docker.utils
import requests.exceptions

from netlab.backends.docker.containers import FABRIC, ROLE
from netlab.errors import LabError, MachineError, NetlabError, UsageError
from netlab.kernel.engine import host

OLDEST_API = (1, 41)  # of Docker Engine 20.10

SECONDS = 60.0  # for an answer; an engine on a busy machine takes several

# As runc and crun say it.
_NO_PROGRAM = re.compile(r"""exec(?:utable file)?:? ?["`]([^"`]+)["`].*(?:not found|[Nn]o such file)""")
_HEAD = struct.Struct(">BxxxI")
_NONE = "start one, or set DOCKER_HOST to one that runs; without one there is --backend netns"


class Pipe:
    """A connection to a container's standard streams, or an exec's; output and errors come apart."""

    def __init__(self, response: Any) -> None:  # noqa: ANN401 — of many kinds, by transport
        self._response = response  # closed with its last reference
        self._socket = getattr(response, "_sock", response)
        self._socket.settimeout(None)
        self._held = b""

    def fileno(self) -> int:
        """Return the descriptor to poll: readable when `read` has something, or the end has come."""
        return int(self._socket.fileno())

    def send(self, data: bytes) -> None:
        """Write to the standard input; LabError where nobody reads it any more."""
        try:
            self._socket.sendall(data)
        except OSError:
            raise LabError("the lab has ended", "start it again") from None

    def read(self) -> list[tuple[int, bytes]] | None:
        """Wait for output; return its pieces, each with its descriptor's number, 1 or 2; None at the end."""
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            return None
        if not data:
            return None
        self._held += data
        pieces = []
        while len(self._held) >= _HEAD.size:
            number, size = _HEAD.unpack_from(self._held)
            end = _HEAD.size + size
            if len(self._held) < end:
                break
            pieces.append((number, self._held[_HEAD.size : end]))
            self._held = self._held[end:]
        return pieces

    def close(self) -> None:
        """Leave; what reads the standard input comes to its end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(2)
        with contextlib.suppress(OSError):
            self._socket.close()
        with contextlib.suppress(OSError):
            self._response.close()


class LogStream:
    """What a container has printed, in pieces."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 — the SDK's own kind
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with contextlib.suppress(requests.exceptions.RequestException, OSError):
            yield from self._stream

    def close(self) -> None:
        """End it, whoever reads it at the moment."""
        with contextlib.suppress(docker.errors.DockerException, OSError, AttributeError):
            self._stream.close()


@dataclass(frozen=True, slots=True)
class Engine:
    """A connection to an engine; `api` is the SDK's, for what has no verb here."""

    api: docker.APIClient

    def is_podman(self) -> bool:
        """Whether it is Podman, which speaks Docker's API with an accent."""
        with told("what it is"):
            headers = self.api._get(self.api._url("/_ping")).headers
        return str(headers.get("Server", "")).startswith("Libpod")

    def info(self) -> dict[str, Any]:
        """Return what the engine says of itself and its machine."""
        with told("what it is"):
            info: dict[str, Any] = self.api.info()
        return info

    def image(self, name: str) -> dict[str, Any] | None:
        """Return what the engine knows of an image; None where it has none of that name."""
        with told(f"about image {name}"), contextlib.suppress(docker.errors.ImageNotFound):
            found: dict[str, Any] = self.api.inspect_image(name)
            return found
        return None

    def create(self, name: str, config: Mapping[str, Any]) -> str:
        """Create a container and return its id; UsageError where its name is taken."""
        with told(f"to create container {name}"):
            try:
                return str(self.api.create_container_from_config(dict(config), name=name)["Id"])
            except docker.errors.APIError as error:
                # Podman has another status for it.
                if error.status_code == requests.codes.conflict or "already in use" in str(error.explanation):
                    raise UsageError(f"there is a container named {name} already") from error
                raise

    def start(self, container: str, what: str) -> None:
        """Start a container."""
        with told(f"to start {what}"):
            try:
                self.api.start(container)
            except docker.errors.APIError as error:
                if missing := _NO_PROGRAM.search(str(error.explanation)):
                    why = f"{what} cannot start: its program {missing[1]} is not in it"
                    raise MachineError(why, "choose an image that starts something") from error
                raise

    def attach(self, container: str, *, stdin: bool) -> Pipe:
        """Hold a container's standard streams; before its start, so that nothing is missed."""
        wanted = {"stdin": int(stdin), "stdout": 1, "stderr": 1, "stream": 1}
        with told("its streams"):
            return Pipe(self.api.attach_socket(container, params=wanted))

    def execute(self, container: str, argv: Sequence[str]) -> Pipe:
        """Run a program in a container and hold its standard streams."""
        with told("to run something in the lab", gone=requests.codes.conflict):
            made = self.api.exec_create(container, list(argv), stdin=True, stdout=True, stderr=True)
            return Pipe(self.api.exec_start(made["Id"], socket=True, tty=False))

    def log(self, container: str, *, follow: bool) -> LogStream:
        """Return what a container has printed; with `follow`, and what it prints until it ends."""
        with told("for a log"):
            return LogStream(self.api.logs(container, stream=True, follow=follow))

    def put(self, container: str, archive: bytes) -> None:
        """Unpack a tar archive at the container's root."""
        with told("to take files"):
            self.api.put_archive(container, "/", archive)

    def containers(self, **labels: str) -> list[dict[str, Any]]:
        """Return the containers with these labels (`lab`, `user`, `role`, …), in any state."""
        wanted = [f"netlab.{key}={value}" for key, value in labels.items()]
        with told("about containers"):
            found: list[dict[str, Any]] = self.api.containers(all=True, filters={"label": wanted})
        return found

    def remove(self, container: str) -> None:
        """Remove a container, running or not; one that has gone, or is going, is no error."""
        with told("to remove a container"), contextlib.suppress(docker.errors.NotFound):
            try:
                self.api.remove_container(container, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code != requests.codes.conflict:
                    raise

    def joined(self, container: str, kind: str) -> str:
        """Return how another container is told to join a running one's namespace: its `pid`, or its `net`.

        Docker looks no further. Podman notes who depends on whom, and would not remove this one first.
        """
        if not self.is_podman():
            return f"container:{container}"
        with told("where a container runs"):
            process = self.api.inspect_container(container)["State"]["Pid"]
        return f"ns:/proc/{process}/ns/{kind}"

    def close(self) -> None:
        """Let go of the connection."""
        self.api.close()


def connect() -> Engine:
    """Find the engine that DOCKER_HOST names, else the one at the usual place; MachineError says why not."""
    try:
        settings = docker.utils.kwargs_from_env()
        engine = Engine(docker.APIClient(version="auto", timeout=SECONDS, num_pools=32, **settings))
        version = tuple(int(part) for part in str(engine.api._version).split("."))
    except (docker.errors.DockerException, OSError, ValueError) as error:  # ValueError: "tcp://host:port"
        raise _unreachable(error) from error
    if version < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        raise MachineError(
            f"the engine at {host()} is too old: it speaks API {engine.api._version}, and {oldest} is needed",
            "Docker Engine 20.10 has it, and Podman 4",
        )
    return engine


def _unreachable(error: BaseException) -> NetlabError:
    cause = _root(error)
    what = f"no container engine answers at {host()}"
    if isinstance(cause, FileNotFoundError):
        return MachineError(f"{what}: there is no such socket", _NONE)
    if isinstance(cause, ConnectionRefusedError):
        return MachineError(f"{what}: nobody listens there", _NONE)
    if isinstance(cause, PermissionError):
        hint = "join its group (sudo usermod -aG docker $USER; then log in again), or use rootless Podman"
        return MachineError(f"{what}: its socket is not yours to use", hint)
    why = [*str(error).splitlines(), type(error).__name__][0]
    return MachineError(f"{what}: {why}", _NONE)


def _root(error: BaseException) -> BaseException:
    """Return what lies at the bottom: requests and the SDK wrap an OSError several times."""
    seen: list[BaseException] = [error]
    for each in seen:
        if isinstance(each, FileNotFoundError | ConnectionRefusedError | PermissionError):
            return each
        inner = [each.__cause__, each.__context__, *getattr(each, "args", ()), getattr(each, "reason", None)]
        seen += [found for found in inner if isinstance(found, BaseException) and found not in seen]
    return error


@contextlib.contextmanager
def told(what: str, gone: int = requests.codes.not_found) -> Iterator[None]:
    """Turn what an engine refuses into a sentence; `what` it was asked for.

    `gone` is the status by which it says, besides 404, that a container has ended.
    """
    try:
        yield
    except docker.errors.APIError as error:
        if error.status_code in (gone, requests.codes.not_found):
            raise LabError(f"the lab has ended: asked {what}, the engine finds no such container") from error
        why = str(error.explanation or error).strip().rstrip(".")
        raise MachineError(f"the container engine refused {what}: {why}", "see `netlab doctor`") from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise LabError(
            f"the container engine at {host()} does not answer any more, asked {what}",
            "is it running? What is left of the lab goes with `netlab down --all` once it is",
        ) from error


def sweep(engine: Engine, lab: str, seconds: float = 30.0) -> None:
    """Remove every container of a lab and return when none is left; LabError when that takes too long.

    The fabric's end is the others': most are gone by themselves then, and the engine removes them.
    """
    deadline = time.monotonic() + seconds
    soon = time.monotonic() + 1.0
    fabric_is_removed = False
    while found := engine.containers(lab=lab):
        for each in found:
            is_fabric = each["Labels"].get(ROLE) == FABRIC
            # What was created and never started has no end of its own.
            if (is_fabric and not fabric_is_removed) or each["State"] == "created" or time.monotonic() > soon:
                engine.remove(each["Id"])
            fabric_is_removed |= is_fabric
        if time.monotonic() > deadline:
            names = ", ".join(each["Names"][0].lstrip("/") for each in found)
            raise LabError(f"the container engine does not remove {names}", f"docker rm -f {names}")
        time.sleep(0.02)
