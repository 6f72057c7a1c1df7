"""Labs from outside: whose they are."""

from __future__ import annotations

import pytest

from netlab.backends.docker import session


@pytest.mark.parametrize(
    ("name", "shown"),
    [("ann", "ann"), ("ann@example.org", "ann-example.org"), ("DOM\\ann", "DOM-ann"), ("é", "-")],
)
def test_a_users_name_fits_a_containers(monkeypatch: pytest.MonkeyPatch, name: str, shown: str) -> None:
    """What engines do not take in a name is a hyphen."""
    monkeypatch.setenv("LOGNAME", name)
    assert session.user() == shown
