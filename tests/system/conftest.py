"""Fixtures of the system tests: container engines, where there are some, and every backend in turn."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system import engines
from tests.system.engine.fixtures import answering, base, engine
from tests.system.engine.rootless import podman
from tests.system.engines import GROUNDS, Ground
from tests.system.shipped import Runs

__all__ = ["answering", "backend", "base", "engine", "ground", "podman"]


@pytest.fixture(scope="module", params=["netns", "docker", "podman"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name a plan's backend: namespaces, then containers of either engine; Podman's has its own socket."""
    with _reached(request.param, request):
        yield Ground(request.param).backend


@pytest.fixture(scope="module", params=GROUNDS, ids=engines.called)
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """Give each backend, with the builtin engines and with real ones; `GROUNDS` says which of them where."""
    chosen: Ground = request.param
    with _reached(chosen.host, request):
        engines.need(*chosen.engines.values())  # the image has what the machine has
        yield chosen


@contextmanager
def _reached(host: str, request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if host == "podman":
            patch.setenv("DOCKER_HOST", request.getfixturevalue("podman"))
        elif host == "docker":
            request.getfixturevalue("engine")
        yield


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Run each shipped lab once, when it is asked for."""
    own = tmp_path_factory.getbasetemp()
    return Runs((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shipped-labs")
