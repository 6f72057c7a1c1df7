"""The way back of a change: all of it, whatever happens on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netlab.backends.inside.altering import Step
from netlab.backends.inside.applying import _Applying
from netlab.errors import LabError
from netlab.plan import make_plan
from netlab.plan.changes import Comparison
from netlab.topology import parse


def test_one_undo_that_fails_does_not_end_the_others() -> None:
    """Each is tried, the last first, and what each says is told, also what nobody has thought of."""
    tried: list[str] = []

    def undo(name: str, error: Exception | None) -> Step:
        def act() -> None:
            tried.append(name)
            if error is not None:
                raise error

        return Step(name, ("rule",), lambda: None, act)

    lab: Any = None
    steps = [undo("one", None), undo("two", ValueError("odd")), undo("three", LabError("gone"))]
    problems = _Applying(
        lab, Comparison(make_plan(parse("nodes: {a: }", file="lab.yaml", directory=Path())), (), ())
    )._undo(steps)
    assert tried == ["three", "two", "one"]
    assert problems == ["three: rule: gone", "two: rule: ValueError('odd')"]
