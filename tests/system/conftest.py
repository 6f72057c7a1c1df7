"""Fixtures of the system tests: container engines, where there are some."""

from tests.system.engine.fixtures import answering, base, engine
from tests.system.engine.rootless import podman

__all__ = ["answering", "base", "engine", "podman"]
