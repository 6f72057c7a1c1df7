"""Whose a process is."""

from __future__ import annotations

from netlab.backends.inside.ending import descendants


def test_descendants() -> None:
    """Children's children too, of each root; nobody else's."""
    parents = {2: 1, 3: 2, 4: 3, 5: 1, 6: 5, 7: 4}
    assert descendants({3}, parents) == {3, 4, 7}
    assert descendants({2, 6}, parents) == {2, 3, 4, 6, 7}
    assert descendants(set(), parents) == set()
