"""Asking an engine: answers as engines give them, from a socket of the test's own."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netlab.backends.docker import image
from netlab.kernel import engine
from netlab.kernel.engine import Answer, Engine, ask, describe, with_image, with_info

DOCKER_PING = {"server": "Docker/20.10.24+dfsg1 (linux)", "api-version": "1.41"}
PODMAN_PING = {"server": "Libpod/4.3.1 (linux)", "api-version": "1.41", "libpod-api-version": "4.3.1"}
DOCKER_INFO = {
    "SecurityOptions": ["name=seccomp,profile=default"],
    "CgroupVersion": "1",
    "MemoryLimit": True,
    "PidsLimit": True,
    "CpuCfsQuota": True,
}
PODMAN_INFO = DOCKER_INFO | {"Rootless": True}
IMAGE = {"Config": {"Labels": {"netlab.sources": "0123"}}}
ALL = {"/_ping": "OK", "/info": DOCKER_INFO, "/images/netlab:1/json": IMAGE}


def test_docker_and_podman_are_told_apart() -> None:
    """Each says in its own words what it is; what it cannot limit is named."""
    docker = Engine("Docker Engine", "20.10.24+dfsg1", (1, 41), cgroups="1")
    assert with_info(describe(DOCKER_PING), DOCKER_INFO) == docker
    podman = Engine("Podman", "4.3.1", (1, 41), True, "1", ("memory", "processes", "CPU time"))
    assert with_info(describe(PODMAN_PING), PODMAN_INFO) == podman
    rootless = DOCKER_INFO | {"SecurityOptions": ["name=rootless"], "CgroupVersion": "2", "PidsLimit": False}
    assert with_info(describe(DOCKER_PING), rootless) == replace(
        docker, rootless=True, cgroups="2", limitless=("processes",)
    )


@pytest.mark.parametrize("found", [{}, {"Config": None}, {"Config": {"Labels": None}}])
def test_an_image_without_labels_is_not_ours(found: Mapping[str, Any]) -> None:
    """It is there, and of no known sources; one that is not there is told from it."""
    read = with_image(describe(DOCKER_PING), found)
    assert (read.has_image, read.sources) == (True, "")
    assert with_image(describe(DOCKER_PING), None).has_image is False


def test_the_label_is_the_one_that_images_get() -> None:
    """Two layers name it, since neither may import the other."""
    assert engine.LABEL == image.LABEL


class Socket:
    """A Unix socket that answers every path of `answers` over HTTP, as text or as JSON, and 404 to others.

    Before it answers /info, it pauses.
    """

    def __init__(self, path: Path, answers: Mapping[str, object], head: str, pause: float) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.answers, self.head, self.pause = answers, head, pause
        self.asked: list[str] = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        """Answer until the listener is shut."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                path = connection.recv(4096).split()[1].decode()
                self.asked.append(path)
                answer = self.answers.get(path)
                body = answer if isinstance(answer, str) else json.dumps(answer)
                status = "404 Not Found" if answer is None else "200 OK"
                if path == "/info":
                    time.sleep(self.pause)
                try:
                    connection.sendall(self.head.format(status).encode() + body.encode())
                except OSError:
                    continue

    def close(self) -> None:
        """End it."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


HEAD = "HTTP/1.0 {}\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24+dfsg1 (linux)\r\n\r\n"


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a directory whose path is short enough for a socket's; DOCKER_HOST names a socket in it."""
    made = Path(tempfile.mkdtemp(prefix="nl"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{made}/s")
    monkeypatch.delenv("DOCKER_TLS_VERIFY", raising=False)
    yield made
    shutil.rmtree(made)


def answered(directory: Path, answers: Mapping[str, object], head: str = HEAD, pause: float = 0) -> Answer:
    """Ask while somebody listens."""
    served = Socket(directory / "s", answers, head, pause)
    try:
        return ask("netlab:1")
    finally:
        served.close()


def test_an_engine_answers(directory: Path) -> None:
    """Three questions, and the engine is known, with netlab's image."""
    answer = answered(directory, ALL)
    assert answer.code == 0
    assert answer.engine == with_image(with_info(describe(DOCKER_PING), DOCKER_INFO), IMAGE)


def test_no_such_image(directory: Path) -> None:
    """The engine's 404 is no fault of the engine."""
    answer = answered(directory, {"/_ping": "OK", "/info": DOCKER_INFO})
    assert answer.engine == with_image(with_info(describe(DOCKER_PING), DOCKER_INFO), None)


@pytest.mark.parametrize(
    ("answers", "head"),
    [
        ({}, HEAD),
        ({"/_ping": "OK"}, "HTTP/1.0 {}\r\nServer: Apache\r\n\r\n"),
        ({"/_ping": "OK"}, "HTTP/1.0 {}\r\nApi-Version: new\r\n\r\n"),
        ({"/_ping": "OK"}, "HTTP/1.0 500 {}\r\nApi-Version: 1.41\r\n\r\n"),
        ({"/_ping": "OK"}, "SSH-2.0 {}\r\n"),
        ({"/_ping": ""}, "{:.0}"),
        ({"/_ping": " " * (1 << 20)}, HEAD),
        ({"/_ping": "OK", "/info": "<html>"}, HEAD),
        ({"/_ping": "OK", "/info": []}, HEAD),
        ({"/_ping": "OK", "/info": {"SecurityOptions": 7}}, HEAD),
    ],
)
def test_what_is_no_engine(directory: Path, answers: Mapping[str, object], head: str) -> None:
    """Anything may listen at a socket; it is told apart from an engine."""
    answer = answered(directory, answers, head)
    assert (answer.code, answer.engine) == (errno.EPROTO, None)


def test_an_engine_that_hangs_is_not_waited_for(directory: Path) -> None:
    """Half a second is all that `doctor` gives it."""
    started = time.monotonic()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "s"))
        listener.listen()
        answer = ask("netlab:1")
    assert (answer.code, answer.engine) == (errno.ETIMEDOUT, None)
    assert time.monotonic() - started < engine.SECONDS + 1


def test_a_slow_engine_is_one_all_the_same(directory: Path) -> None:
    """What was said in time counts: here its name and the image."""
    answer = answered(directory, ALL, pause=engine.SECONDS + 0.1)
    assert answer.engine == with_image(describe(DOCKER_PING), IMAGE)


def test_each_obstacle_has_its_errno(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket, nobody who listens, an address that only the SDK understands."""
    assert ask("").code == errno.ENOENT
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "s"))
        assert ask("").code == errno.ECONNREFUSED
    for host in ("ssh://somewhere", "npipe:////./pipe/docker_engine", "tcp://somewhere", "what"):
        monkeypatch.setenv("DOCKER_HOST", host)
        assert ask("") == Answer(host, errno.EPROTONOSUPPORT)
    monkeypatch.setenv("DOCKER_HOST", "unix://" + "x" * 200)
    assert ask("").code
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert ask("").code == errno.EPROTONOSUPPORT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every socket")
def test_a_socket_of_somebody_else(directory: Path) -> None:
    """The errno is that of the missing permission."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "s"))
        listener.listen()
        (directory / "s").chmod(0)
        assert ask("").code == errno.EACCES
