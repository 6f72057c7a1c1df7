"""Fixtures of the system tests: container engines, where there are some, and every backend in turn."""

from collections.abc import Iterator

import pytest

from tests.system.engine.fixtures import answering, base, engine
from tests.system.engine.rootless import podman

__all__ = ["answering", "backend", "base", "engine", "podman"]


@pytest.fixture(scope="module", params=["netns", "docker", "podman"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name a plan's backend: namespaces, then containers of either engine; Podman's has its own socket."""
    if request.param == "netns":
        yield "netns"
        return
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "podman":
            patch.setenv("DOCKER_HOST", request.getfixturevalue("podman"))
        else:
            request.getfixturevalue("engine")
        yield "docker"
