"""What tests of containers may use: an engine that answers, and one that has netlab's image too.

NETLAB_TEST_BASE names an image of that engine that has all that netlab's own is made of. Where an engine is
missing, these tests are skipped and say why; with NETLAB_REQUIRE_ENGINE=1 they fail.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from netlab.backends.docker import image
from netlab.errors import MachineError

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

BASE = "NETLAB_TEST_BASE"
REQUIRED = "NETLAB_REQUIRE_ENGINE"
HOST = os.environ.get("DOCKER_HOST", "")  # before a test of another engine's says otherwise


def lacking(reason: object) -> NoReturn:
    """Skip a test, or fail it where engines are required."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, and yet: {reason}", pytrace=False)
    pytest.skip(f"no containers: {reason}")


@pytest.fixture(scope="session")
def answering() -> Iterator[Engine]:
    """Connect to an engine, whatever images it has."""
    engine = _connect()
    if isinstance(engine, str):
        lacking(engine)
    yield engine
    engine.close()


def _connect() -> Engine | str:
    """Return the engine, or why there is none."""
    # The SDK closes no socket that nobody answers at.
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore", ResourceWarning)
        if HOST:
            patch.setenv("DOCKER_HOST", HOST)
        else:
            patch.delenv("DOCKER_HOST", raising=False)
        try:
            from netlab.backends.docker.engine import connect

            return connect()
        except (ImportError, MachineError) as error:
            reason = str(error)
        gc.collect()
    return reason


@pytest.fixture(scope="session")
def base(answering: Engine) -> str:
    """Name the image that netlab's own can be made from without a network."""
    name = os.environ.get(BASE)
    if not name:
        lacking(f"{BASE} names no image to make netlab's own from")
    if answering.image(name) is None:
        lacking(f"the engine has no image {name}, which {BASE} names")
    return name


@pytest.fixture(scope="session")
def engine(answering: Engine, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Connect to an engine that has netlab's image, of these sources; it is made once for all workers."""
    with locked(tmp_path_factory.getbasetemp().parent / "netlab-image.lock"):
        try:
            image.check(answering.image(image.tag()))
        except MachineError as error:
            name = os.environ.get(BASE)
            if not name:
                lacking(error)
            image.build(answering, name, pull=False, tell=print)
    return answering


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only process that is in here."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
