"""A plan on its way: it arrives as it was, and what is none is told so."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from netlab.backends.inside import parcel
from netlab.errors import LabError
from netlab.plan import make_plan
from netlab.topology import load


@pytest.mark.parametrize("name", ["web", "two-routers", "nat"])
def test_it_arrives_as_it_was(root: Path, name: str) -> None:
    """What is read from the descriptor is the plan."""
    plan = make_plan(load(root / "topologies" / f"{name}.yaml"))
    with parcel.wrapped(plan) as descriptor:
        assert parcel.read(descriptor) == plan


def test_what_is_cut_off(root: Path) -> None:
    """Half a plan is an error in words."""
    reading, writing = os.pipe()
    os.write(writing, parcel.pack(make_plan(load(root / "topologies" / "web.yaml")))[:100])
    os.close(writing)
    with pytest.raises(LabError, match="the plan cannot be read"):
        parcel.read(reading)
    os.close(reading)


def test_what_is_no_plan() -> None:
    """Something else, whole, is an error in the same words."""
    reading, writing = os.pipe()
    os.write(writing, pickle.dumps([1]))
    os.close(writing)
    with pytest.raises(LabError, match="the plan cannot be read: it is list"):
        parcel.read(reading)
    os.close(reading)


def test_the_language_is_that_of_the_classes() -> None:
    """It tells every field of every class that a plan is made of."""
    words = list(parcel._words((parcel.planned, parcel.model)))
    assert any(
        word.startswith("netlab.plan.model.Port(node: str, interface: str, mac: str") for word in words
    )
    module = ModuleType("other")

    @dataclass
    class Port:
        node: str

    module.Port = Port  # type: ignore[attr-defined]
    assert list(parcel._words((module,))) == ["other.Port(node: str)"]
    assert parcel.language() == parcel.language()
