"""The builtin DNS server beside BIND: the same zones, the same questions, and the answers compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from netlab.topology.model import DnsService
from tests.system import engines
from tests.system.differential import dns_answers, dns_corpus, servers
from tests.system.differential.dns_corpus import Asked, Edns, ask
from tests.system.differential.dns_differences import DIFFERENCES, Difference, excused
from tests.system.differential.servers import Client


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Start a lab whose two servers have all zones of the corpus."""
    engines.need("bind9")
    with servers.client_of(DnsService(dns_corpus.ZONES)) as made:
        yield made


def agree(client: Client, asked: Asked) -> None:
    """Fail, showing the exchange, where the answers differ for no stated reason; then try TCP if due."""
    builtin, real = dns_answers.exchange(client, asked)
    differing = dns_answers.differing(builtin, real)
    if differing and not differing <= excused(asked, builtin, real):
        pytest.fail(dns_answers.told(asked, builtin, real), pytrace=False)
    if asked.transport == "udp" and (builtin.has("TC") or real.has("TC")):
        agree(client, replace(asked, transport="tcp"))


def generated(client: Client, strategy: SearchStrategy[Asked], examples: int) -> None:
    """Compare the answers to generated questions, the same in every run; a failure is shrunk."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(strategy)
    def compare(asked: Asked) -> None:
        agree(client, asked)

    compare()


def test_questions(client: Client) -> None:
    """Names in and around the zones, at any depth and in any case, of all types, with and without EDNS."""
    generated(client, dns_corpus.PLAIN, 400)


def test_odd_questions(client: Client) -> None:
    """Types that no zone holds, other classes and operations, several questions or none, options of EDNS."""
    generated(client, dns_corpus.ODD, 150)


def test_junk(client: Client) -> None:
    """What is damaged, cut off or no message at all is refused alike, or met with the same silence."""
    generated(client, dns_corpus.JUNK, 150)


SIZES = (None, 512, 513, 700, 1232, 4096)


def test_large_answers(client: Client) -> None:
    """At every size around what clients offer, both truncate or neither does; over TCP all is there."""
    exact = [(f"exact{size}", edns) for size in range(440, 470) for edns in (None, 513)]
    for name, size in [*product(("many", "tomany", "large", "huge"), SIZES), *exact]:
        edns = None if size is None else Edns(size)
        agree(client, ask(f"{name}.lab.test", "A" if name.endswith("many") else "TXT", edns=edns))
    agree(client, ask("huge.lab.test", "ANY"))


@pytest.mark.parametrize("row", DIFFERENCES, ids=[row.applies.__name__ for row in DIFFERENCES])
def test_each_difference_is_there(client: Client, row: Difference) -> None:
    """A row of the table excuses what its example shows, which no other row does."""
    asked = row.example
    builtin, real = dns_answers.exchange(client, asked)
    differing = dns_answers.differing(builtin, real)
    assert row.applies(asked, builtin, real), dns_answers.told(asked, builtin, real)
    others = [other for other in DIFFERENCES if other is not row and other.applies(asked, builtin, real)]
    left = differing.difference(*(other.parts for other in others))
    assert left, dns_answers.told(asked, builtin, real)
    assert left <= row.parts, dns_answers.told(asked, builtin, real)
