"""Fixtures of the system tests: the container engine, where there is one."""

from tests.system.engine.fixtures import answering, base, engine

__all__ = ["answering", "base", "engine"]
