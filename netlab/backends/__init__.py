"""Make labs: each backend makes nodes its own way, what then happens in them is `inside`, for all of them.

`protocol` says what a backend is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # what an engine runs for each command is in this package, and needs none of it
    from netlab.backends.protocol import Backend

# By the name that a topology has for it; each is imported when it is asked for.
BACKENDS = {"netns": "netlab.backends.netns.session", "docker": "netlab.backends.docker.session"}


def find(name: str) -> Backend:
    """Return the backend of a name, one of BACKENDS: a module is one."""
    return cast("Backend", import_module(BACKENDS[name]))
