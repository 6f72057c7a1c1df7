"""The builtin HTTP server beside nginx: the same content, the same bytes, and the responses compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from netlab.topology.model import HttpService
from tests.system import engines
from tests.system.differential import http_answers, http_by_hand, http_corpus, http_generated, servers
from tests.system.differential.http_answers import Pair
from tests.system.differential.http_corpus import Asked
from tests.system.differential.http_differences import DIFFERENCES, Difference, excused
from tests.system.differential.http_turns import turns


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Start a lab whose two servers have all files of the corpus."""
    engines.need("nginx")
    directory = tmp_path_factory.mktemp("content")
    http_corpus.write_files(directory)
    with servers.client_of(HttpService(directory)) as client:
        yield Pair(client)


def quarrel(pair: Pair, asked: Asked) -> str:
    """Return the conversation where the servers differ for no stated reason, else nothing."""
    builtin, real = pair.exchange(asked)
    differing = http_answers.differing(builtin, real)
    if not differing or differing <= excused(asked, builtin, real):
        return ""
    return http_answers.told(asked, builtin, real)


def generated(pair: Pair, strategy: SearchStrategy[Asked], examples: int) -> None:
    """Compare the responses to generated requests, the same in every run; a failure is shrunk."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(strategy)
    def compare(asked: Asked) -> None:
        found = quarrel(pair, asked)
        if found:
            pytest.fail(found, pytrace=False)

    compare()


def test_requests_by_hand(pair: Pair) -> None:
    """Targets, ranges, conditions, methods, fields, hosts, bodies and junk, each alone on a connection."""
    found = [told for asked in http_by_hand.BY_HAND if (told := quarrel(pair, asked))]
    assert not found, f"{len(found)} of {len(http_by_hand.BY_HAND)}:\n" + "\n\n".join(found)


def test_generated_requests(pair: Pair) -> None:
    """One to three requests in a segment, of any method, target, version and fields."""
    generated(pair, http_generated.PLAIN, 150)


def test_damaged_requests(pair: Pair) -> None:
    """An octet that is not, or should not be there, has the same refusal, or none."""
    generated(pair, http_generated.DAMAGED, 100)


@pytest.mark.parametrize("row", DIFFERENCES, ids=[row.applies.__name__ for row in DIFFERENCES])
def test_each_difference_is_there(pair: Pair, row: Difference) -> None:
    """A row of the table excuses what its example shows, which no other row does."""
    builtin, real = pair.exchange(row.example)
    shown = http_answers.told(row.example, builtin, real)
    found = list(turns(row.example, builtin, real))
    assert any(map(row.applies, found)), shown
    others = [other.parts for other in DIFFERENCES if other is not row and any(map(other.applies, found))]
    left = http_answers.differing(builtin, real).difference(*others)
    assert left, shown
    assert left <= row.parts, shown
