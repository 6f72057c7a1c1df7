"""netlab's own image: an engine makes it of a base image and this package's files, whose digest it bears.

Its Dockerfile lies beside this; `unmet` runs in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import tarfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlab.errors import LabError, MachineError, UsageError
from netlab.kernel.engine import LABEL

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

BASE = "python:3.12-slim-bookworm"
MAKE = "make it: netlab image build"

_PACKAGE = Path(__file__).parents[2]
_DOCKERFILE = "netlab/backends/docker/Dockerfile"
_ROOT = "FROM"  # the instruction whose image is the base's, not ours
_LAST_LINES = 8
_SHORT = 12  # hexadecimal digits
_PATIENCE = 10.0  # seconds
_CURE = "what the base lacks is installed from the network: is there one? Or choose another base with --base"
_FETCH = "is there a network to fetch it from? Otherwise choose one that is there with --base"
# "Step 3/9 : RUN …" as Docker has it, "STEP 3/9: RUN …" as Podman.
_STEP = re.compile(r"step (\d+/\d+) ?: (.*)", re.IGNORECASE)
# " ---> 8b815d2ee7…" and "--> 8b815d2ee7…"; what is cached has further words before it, or a line.
_CONTAINER = re.compile(r" ---> Running in ([0-9a-f]+)")
_IMAGE = re.compile(r"(?: -)?--> ([0-9a-f]+)$")
_NOISE = re.compile(r"(?: -)?--> |Removing intermediate container ")
_STATUS = re.compile(r"(?:returned a non-zero code:|while running runtime: exit status) (\d+)$")
_CACHED = re.compile(r"(?: -)?--> Using cache")
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def tag() -> str:
    """Return the image's name: version and digest of this netlab, so that two checkouts share an engine."""
    version = re.sub(r"[^A-Za-z0-9_.-]", "-", metadata.version("netlab-l4"))
    return f"netlab:{version}-{digest()[:_SHORT]}"


def digest() -> str:
    """Return the SHA-256, in hexadecimal, of all that the image takes from this package."""
    found = hashlib.sha256()
    for name, data in _sources():
        found.update(f"{name}\0{len(data)}\0".encode())
        found.update(data)
    return found.hexdigest()


def _sources() -> Iterator[tuple[str, bytes]]:
    """Yield each file's name, which begins with "netlab/", and bytes, in the order of the names.

    The shipped labs, which only a wheel has in here, stay with whoever reads them.
    """
    for path in sorted(_PACKAGE.rglob("*")):
        parts = path.relative_to(_PACKAGE).parts
        is_hidden = any(part.startswith(".") for part in parts)
        if parts[0] != "shipped" and "__pycache__" not in parts and not is_hidden and path.is_file():
            yield "/".join(("netlab", *parts)), path.read_bytes()


def check(found: Mapping[str, Any] | None) -> None:
    """Raise MachineError unless `found`, what an engine says of the image, is one of this netlab."""
    if found is None:
        raise MachineError(f"the container engine has no image {tag()}", MAKE)
    labels = (found.get("Config") or {}).get("Labels") or {}
    if labels.get(LABEL) != digest():
        raise MachineError(f"the image {tag()} was made of other sources than this netlab's", MAKE)


def build(engine: Engine, base: str, *, pull: bool, tell: Callable[[str], None]) -> str:
    """Make the image, and return its id; `tell` gets a line for each step.

    With `pull` the engine fetches the base from its registry. Raises UsageError for a base that is no
    name, MachineError where there is none, or a step fails; then nothing of the attempt is left.
    """
    if not base.strip():
        raise UsageError("the base image has no name", f"as in --base {BASE}")
    if not pull and engine.image(base) is None:
        hint = "fetch it, netlab image build --pull, or choose one that is there with --base IMAGE"
        raise MachineError(f"the container engine has no image {base}", hint)
    before = engine.image(tag())
    attempt = Attempt(tell)
    try:
        _follow(engine, base, attempt, pull=pull)
    except BaseException as error:
        # The frames hold the connection, and the engine goes on until it is closed.
        traceback.clear_frames(error.__traceback__)
        _undo(engine, attempt)
        raise
    made = engine.image(tag())
    check(made)
    assert made is not None, "check has refused that"
    if before is not None and before["Id"] != made["Id"]:
        _discard(engine, before["Id"])
    return str(made["Id"])


@dataclass(slots=True)
class Attempt:
    """One build as its stream tells it: what has been made so far, and the present step's last lines."""

    tell: Callable[[str], None]
    containers: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    _held: str = ""
    _instruction: str = ""
    _is_cached: bool = False

    def take(self, message: Mapping[str, Any]) -> None:
        """Take in one message of the stream; MachineError when it says that the build has failed."""
        if "error" in message:
            self._fail(str(message["error"]))
        # A line may come in pieces; what a registry says comes in another field, and is a line each.
        self._held += str(message.get("stream", ""))
        *lines, self._held = self._held.split("\n")
        for line in lines:
            self._take_line(_CONTROL.sub("", line.rpartition("\r")[2] or line.rstrip("\r")))

    def _take_line(self, line: str) -> None:
        if step := _STEP.match(line):
            self._instruction = step[2].split(maxsplit=1)[0]
            self.lines.clear()
            self.tell(f"{step[1]}  {' '.join(step[2].split())}")
        elif container := _CONTAINER.match(line):
            self.containers.append(container[1])
        elif _CACHED.match(line):
            self._is_cached = True
        elif image := _IMAGE.match(line):
            if not self._is_cached and self._instruction != _ROOT:
                self.images.append(image[1])
            self._is_cached = False
        elif line.strip() and not _NOISE.match(line):
            self.lines = [*self.lines, line.rstrip()][-_LAST_LINES:]

    def _fail(self, error: str) -> None:
        self.take({"stream": "\n"})
        what, lines = "the image cannot be made: a step of its Dockerfile failed", self.lines
        if status := _STATUS.search(error):
            what += f" with exit status {status[1]}"
        else:
            lines = [*lines, *_CONTROL.sub("", error).strip().splitlines()]
        hint = _CURE
        if self._instruction in ("ARG", _ROOT):
            what, hint = "the base image cannot be had", _FETCH
        raise MachineError(what, "\n    ".join([hint, *lines]))


def _follow(engine: Engine, base: str, attempt: Attempt, *, pull: bool) -> None:
    from netlab.backends.docker.engine import told

    with told("to build an image"):
        stream = engine.api.build(
            fileobj=_context(),
            custom_context=True,
            dockerfile=_DOCKERFILE,
            tag=tag(),
            buildargs={"BASE": base, "SOURCES": digest()},
            pull=pull,
            rm=True,
            forcerm=True,
            timeout=None,  # installing may be silent for long
            decode=True,
            use_config_proxy=True,
        )
        for message in stream:
            attempt.take(message)


def _context() -> io.BytesIO:
    """Pack what the Dockerfile copies, with nothing in it of the machine that packs."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in _sources():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    packed.seek(0)
    return packed


def _undo(engine: Engine, attempt: Attempt) -> None:
    """Remove what a build that failed has made; wait for the engine, which may be giving up only now."""
    deadline = time.monotonic() + _PATIENCE
    with contextlib.suppress(MachineError, LabError):
        while any(engine.image(image) for image in attempt.images) and time.monotonic() < deadline:
            for container in attempt.containers:
                engine.remove(container)
            for image in reversed(attempt.images):
                _discard(engine, image)
            time.sleep(0.02)


def _discard(engine: Engine, image: str) -> None:
    """Remove an image that has no name, unless something is made of it; that it cannot be is no loss."""
    from netlab.backends.docker.engine import told

    with contextlib.suppress(MachineError, LabError), told("to remove an image"):
        found = engine.image(image)
        if found is not None and not found.get("RepoTags"):
            engine.api.remove_image(image)
