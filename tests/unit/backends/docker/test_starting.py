"""How a lab is started: what its containers are asked to be limited by."""

from __future__ import annotations

from netlab.backends.docker.starting import abilities


def test_what_an_engine_can_limit() -> None:
    """Only what it says of itself is asked for."""
    info = {"MemoryLimit": True, "PidsLimit": False, "SecurityOptions": ["name=apparmor", "name=seccomp"]}
    assert abilities(info) == {"memory", "apparmor"}
    assert abilities({"SecurityOptions": None}) == set()
