"""What every test may use: golden files, and the shipped topologies and labs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about the machine than about the code. The same examples in every run:
# what fails has to do with what was changed; `--hypothesis-profile default` looks for new ones.
settings.register_profile(
    "netlab", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("netlab")

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one flag that rewrites golden files; the diff is then read by a person."""
    parser.addoption(
        "--rewrite-golden", action="store_true", help="write golden files anew instead of comparing"
    )


def pytest_configure() -> None:
    """Let SIGINT and SIGQUIT be heard by what the tests start: a shell's background jobs begin without."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text to the golden file of that name under tests/golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no golden file {path}: run with --rewrite-golden and read it"
        assert text == path.read_text()

    return compare


@pytest.fixture
def root() -> Path:
    """Return the repository's top directory."""
    return ROOT


@pytest.fixture
def committed(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text to a generated file in topologies/, which the golden flag rewrites too."""

    def compare(name: str, text: str) -> None:
        path = ROOT / "topologies" / name
        if request.config.getoption("--rewrite-golden"):
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no {path}: run with --rewrite-golden and read it"
        assert text == path.read_text(encoding="utf-8")

    return compare
