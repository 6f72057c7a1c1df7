"""The machine's servers in tests: skipped, or failed where they are required, when one is not installed.

With NETLAB_REQUIRE_ENGINES=1, as in CI, they are required.
"""

from __future__ import annotations

import os

import pytest

from netlab.kernel import programs

REQUIRED = "NETLAB_REQUIRE_ENGINES"
PROGRAMS = {
    "builtin": (),
    "bind9": ("named", "dnssec-signzone"),
    "dnsmasq": ("dnsmasq",),
    "nginx": ("nginx",),
    "caddy": ("caddy",),
}


def need(*engines: str) -> None:
    """Skip a test, or fail it, unless all of these engines are here."""
    missing = [name for engine in engines for name in PROGRAMS[engine] if programs.find(name) is None]
    if missing and os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, and yet not installed: {' '.join(missing)}", pytrace=False)
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")
