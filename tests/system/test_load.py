"""The builtin servers under a load that is no burden, from a client in the lab that judges every answer."""

from __future__ import annotations

import pytest

from tests.bench import load


@pytest.mark.parametrize(
    ("service", "kind", "count", "flight"),
    [
        ("dns", "udp", 1500, 48),
        ("dns", "tcp", 300, 32),
        ("http", "keep", 300, 32),
        ("http", "close", 200, 32),
    ],
)
def test_every_answer_is_right(service: str, kind: str, count: int, flight: int) -> None:
    """With many requests under way at once, none is lost, and none has what another asked for.

    The client's kernel is the witness that each went out, and came back, once.
    """
    with load.loaded(service, real=False) as running:
        said = load.measure(running, load.servers.BUILTIN, kind, str(count), str(flight))
        counted = running.output("client", ["cat", "/proc/net/snmp"]).stdout
    assert (said["right"], said["wrong"], said["lost"]) == (count, 0, 0)
    assert 0 < said["busy"] <= 1.05
    names, numbers = (line.split()[1:] for line in counted.splitlines() if line.startswith("Udp:"))
    udp = dict(zip(names, map(int, numbers), strict=True))
    assert udp["InDatagrams"] == udp["OutDatagrams"] == (count if kind == "udp" else 0)
