"""The engines that the doctor finds, or does not, and what would bring each."""

from __future__ import annotations

import pytest

from netlab.lab.installed import judge
from netlab.services import bind9, caddy, nginx
from netlab.services.programs import Engine

NAMED = {"named": "/usr/sbin/named"}
SIGNING = {"dnssec-signzone": "/usr/bin/dnssec-signzone"}


@pytest.mark.parametrize(
    ("engine", "paths", "said", "kin", "verdict"),
    [
        (bind9, NAMED | SIGNING, "BIND 9.18.33-1~deb12u2-Debian (…)", "debian", ("yes", "9.18.33", "")),
        (bind9, NAMED, "BIND 9.18.33", "debian", ("no", "dnssec-signzone", "sudo apt install bind9-utils")),
        (bind9, {}, "", "fedora", ("no", "not installed", "sudo dnf install bind")),
        (
            nginx,
            {"nginx": "/usr/sbin/nginx"},
            "nginx version: nginx/1.22.1",
            "",
            ("yes", "1.22.1, /usr/", ""),
        ),
        (nginx, {"nginx": "/usr/sbin/nginx"}, "oh", "", ("yes", "of an unknown version, /usr", "")),
        (nginx, {}, "", "", ("no", "not installed", "install the package nginx")),
        (caddy, {}, "", "debian", ("no", "not installed", "pip install 'netlab-l4[caddy]'")),
    ],
)
def test_an_engine_is_there_or_has_a_cure(
    engine: object, paths: dict[str, str], said: str, kin: str, verdict: tuple[str, str, str]
) -> None:
    """Its version and place, or the package that brings what is missing; none is ever needed."""
    one: Engine = engine.ENGINE  # type: ignore[attr-defined]
    found = judge(one, paths, said, kin)
    status, words, cure = verdict
    assert (found.name, found.status, found.cure, found.needed) == (one.name, status, cure, False)
    assert words in found.detail
