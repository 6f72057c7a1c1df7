"""Ask the container engine that DOCKER_HOST names what it is and has: a few questions, without the SDK.

Its counterpart is `netlab.kernel.probes`, which judges the answers.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

USUAL = "unix:///var/run/docker.sock"
SECONDS = 0.5  # for all questions together
LABEL = "netlab.sources"  # of netlab's own image: the digest of what it was made of

_LARGEST = 1 << 20
# What the header Server calls a program.
_NAMES = {"docker": "Docker Engine", "libpod": "Podman"}
# What /info calls a limit that the engine can set on a container.
LIMITS = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "CPU time"}


@dataclass(frozen=True, slots=True)
class Engine:
    """What an engine says of itself; an empty text or None where it does not.

    `limitless` names what it cannot limit. `has_image` is whether it has netlab's own (None: it did not say),
    `sources` the digest in that image's label.
    """

    name: str
    version: str
    api: tuple[int, ...]
    rootless: bool = False
    cgroups: str = ""
    limitless: tuple[str, ...] = ()
    has_image: bool | None = None
    sources: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking at `host`: an engine, or the errno that was met.

    EPROTONOSUPPORT: by such an address only the SDK asks; EPROTO: what answers there is no engine.
    """

    host: str = USUAL
    code: int = errno.ENOENT
    engine: Engine | None = None


def host() -> str:
    """Return where the engine is looked for."""
    return os.environ.get("DOCKER_HOST") or USUAL


def containers(labels: Mapping[str, str], seconds: float) -> list[dict[str, Any]]:
    """Return the containers with these labels, in any state.

    Raises OSError where no engine answers (EPROTONOSUPPORT as in `Answer`), ValueError where it is none.
    """
    filters = json.dumps({"label": [f"{key}={value}" for key, value in labels.items()]})
    path = f"/containers/json?all=1&filters={quote(filters)}"
    answer = _get(host(), path, time.monotonic() + seconds)
    found = None if answer is None else json.loads(answer[1])
    if not isinstance(found, list):
        raise ValueError("an answer that is no list")
    return found


def ask(image: str) -> Answer:
    """Ask an engine, and for the image of that name; takes SECONDS at most."""
    place, deadline = host(), time.monotonic() + SECONDS
    try:
        # Not /version, for which Podman looks up the packages of its parts: that takes seconds.
        headers, _ = _get(place, "/_ping", deadline) or ({}, b"")
        engine = describe(headers)
        with contextlib.suppress(OSError):  # a slow one has answered all the same
            if image:
                engine = with_image(engine, _object(_get(place, f"/images/{image}/json", deadline)))
            engine = with_info(engine, _object(_get(place, "/info", deadline)) or {})
        return Answer(place, 0, engine)
    except (LookupError, ValueError, AttributeError, TypeError):  # words of another kind
        return Answer(place, errno.EPROTO)
    except TimeoutError:
        return Answer(place, errno.ETIMEDOUT)
    except OSError as error:
        return Answer(place, error.errno or errno.EPROTO)


def describe(headers: Mapping[str, str]) -> Engine:
    """Read the headers of the answer to /_ping, their names in lower case; LookupError, ValueError."""
    program, _, version = headers.get("server", "").partition(" ")[0].partition("/")
    api = tuple(int(part) for part in headers["api-version"].split("."))
    return Engine(_NAMES.get(program.lower(), program or "an engine"), version, api)


def with_info(engine: Engine, info: Mapping[str, Any]) -> Engine:
    """Add the answer to /info, in which Docker and Podman say differently that they are rootless."""
    cgroups = str(info.get("CgroupVersion", ""))
    return replace(engine, rootless=_is_rootless(info), cgroups=cgroups, limitless=limitless(info))


def limitless(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what an engine cannot limit, of LIMITS, by its answer to /info."""
    # Podman tells what its machine could limit; cgroups of version 1 are root's alone, and where those of
    # version 2 are not the user's, its word on processes is wrong.
    none = _is_rootless(info) and (str(info.get("CgroupVersion")) == "1" or not info.get("MemoryLimit"))
    return tuple(word for key, word in LIMITS.items() if none or not info.get(key))


def _is_rootless(info: Mapping[str, Any]) -> bool:
    return info.get("Rootless") is True or "name=rootless" in (info.get("SecurityOptions") or [])


def with_image(engine: Engine, image: Mapping[str, Any] | None) -> Engine:
    """Add the answer to /images/NAME/json; None: there is no such image."""
    labels = {} if image is None else (image.get("Config") or {}).get("Labels") or {}
    return replace(engine, has_image=image is not None, sources=str(labels.get(LABEL, "")))


def _get(host: str, path: str, deadline: float) -> tuple[dict[str, str], bytes] | None:
    """Return an answer's headers and body; None where there is no such thing. OSError, ValueError."""
    with _connection(host, deadline) as connection:
        # An answer to HTTP/1.0 comes in one piece and ends with the connection (RFC 1945, section 1.3).
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        received = b""
        while chunk := connection.recv(1 << 16):
            received += chunk
            if len(received) > _LARGEST:
                raise ValueError("an answer of more than 1 MiB")
            connection.settimeout(_left(deadline))
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = first.split(" ")[1:2]
    if status == ["404"]:
        return None
    if status != ["200"]:
        raise ValueError("an answer of another status")
    return {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}, body


def _object(answer: tuple[dict[str, str], bytes] | None) -> dict[str, Any] | None:
    """Read the JSON object of an answer."""
    found = None if answer is None else json.loads(answer[1])
    if not isinstance(found, dict | None):
        raise ValueError("an answer that is no object")
    return found


def _connection(host: str, deadline: float) -> socket.socket:
    """Connect to a Unix socket, or to a TCP port without TLS."""
    scheme, _, place = host.partition("://")
    if scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_left(deadline))
        try:
            connection.connect(place)
        except BaseException:
            connection.close()
            raise
        return connection
    name, _, port = place.rstrip("/").rpartition(":")
    if scheme not in ("tcp", "http") or not port.isdigit() or os.environ.get("DOCKER_TLS_VERIFY"):
        raise OSError(errno.EPROTONOSUPPORT, "not asked", host)
    return socket.create_connection((name.strip("[]"), int(port)), _left(deadline))


def _left(deadline: float) -> float:
    """Return the seconds that are left; TimeoutError where none are."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(errno.ETIMEDOUT, "no answer in time")
    return left
