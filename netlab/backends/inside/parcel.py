"""A plan on its way to a lab that runs: packed, in a file without a name that travels as a descriptor.

A lab understands the plans of the netlab that started it; `language` tells whether another one's is the same.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from netlab.errors import LabError
from netlab.plan import model as planned
from netlab.plan.model import Plan
from netlab.topology import given, model, recordings, rules, wires


@cache
def language() -> str:
    """Return a digest of what plans are made of: every class, with its fields and their types."""
    return sha256("\n".join(_words((planned, model, given, rules, recordings, wires))).encode()).hexdigest()


def _words(modules: tuple[ModuleType, ...]) -> Iterator[str]:
    for module in modules:
        for name, value in sorted(vars(module).items()):
            if isinstance(value, type) and is_dataclass(value):
                words = ", ".join(f"{each.name}: {each.type}" for each in fields(value))
                yield f"{module.__name__}.{name}({words})"


def pack(plan: Plan) -> bytes:
    """Return a plan as bytes, which another version of Python reads as well."""
    packed = io.BytesIO()
    _Pickler(packed).dump(plan)
    return packed.getvalue()


class _Pickler(pickle.Pickler):
    """Says a path in words of its own: where pathlib keeps its classes has changed."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 — pickle's own
        return (as_path, (str(value),)) if isinstance(value, Path) else NotImplemented


def as_path(text: str) -> Path:
    """Return a path."""
    return Path(text)


@contextlib.contextmanager
def wrapped(plan: Plan) -> Iterator[int]:
    """Give a descriptor from which `read` takes the plan."""
    descriptor = os.memfd_create("plan", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(pack(plan))
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def read(descriptor: int) -> Plan:
    """Take a plan from a descriptor; only a lab's own user gets to hand it one.

    LabError where it is none that this version of netlab packed.
    """
    with open(descriptor, "rb", closefd=False) as file:
        data = file.read()
    try:
        plan = pickle.loads(data)  # noqa: S301
        if not isinstance(plan, Plan):
            raise TypeError(f"it is {type(plan).__name__}")
    except Exception as error:  # whatever a damaged pickle provokes
        raise LabError(
            f"the plan cannot be read: {error}", "was the command interrupted? try again"
        ) from error
    return plan
