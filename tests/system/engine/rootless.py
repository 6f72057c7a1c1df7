"""Rootless Podman, for tests: the same backend, with another socket in DOCKER_HOST.

NETLAB_TEST_PODMAN is what DOCKER_HOST would be; the script `podman` starts one. NETLAB_TEST_BASE and
NETLAB_REQUIRE_ENGINE mean what they mean in `fixtures`.
"""

from __future__ import annotations

import os

import pytest

from netlab.backends.docker import image
from netlab.errors import MachineError
from tests.system.engine.fixtures import BASE, lacking, locked

SOCKET = "NETLAB_TEST_PODMAN"


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what DOCKER_HOST must be to reach rootless Podman; it has netlab's image, of these sources.

    Whoever asks for it sets DOCKER_HOST, for as long as it is meant: other tests have another engine.
    """
    host = os.environ.get(SOCKET)
    if not host:
        lacking(
            f"{SOCKET} names no socket of rootless Podman's (tests/system/engine/podman DIRECTORY starts one)"
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", host)
        with locked(tmp_path_factory.getbasetemp().parent / "netlab-podman.lock"):
            _make_ready()
    return host


def _make_ready() -> None:
    """Skip or fail unless it is rootless Podman that answers; make netlab's image where it is missing."""
    try:
        from netlab.backends.docker.engine import connect

        engine = connect()
    except (ImportError, MachineError) as error:
        lacking(error)
    try:
        # Docker's answer has no such word.
        if not engine.info().get("Rootless"):
            lacking(f"what answers at {SOCKET} is not rootless Podman")
        try:
            image.check(engine.image(image.tag()))
        except MachineError as error:
            name = os.environ.get(BASE)
            if not name:
                lacking(error)
            image.build(engine, name, pull=False, tell=print)
    finally:
        engine.close()
