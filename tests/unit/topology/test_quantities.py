"""Quantities with units: what each means, that numbers become words and back, what is told of others."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.topology import quantities
from netlab.topology.quantities import Unfit


@pytest.mark.parametrize(
    ("word", "number"), [("0%", 0.0), ("5%", 0.05), ("0.1%", 0.001), ("100%", 1.0), ("100.0%", 1.0)]
)
def test_a_chance(word: str, number: float) -> None:
    """Per cent, as a number from 0 to 1."""
    assert quantities.chance(word) == number
    assert re.fullmatch(quantities.CHANCE, word)


@pytest.mark.parametrize(
    ("word", "number"), [("200 ms", 0.2), ("200ms", 0.2), ("7 us", 7e-6), ("1.5 s", 1.5), ("60 s", 60.0)]
)
def test_a_time(word: str, number: float) -> None:
    """In seconds; the blank before its unit may be left out."""
    assert quantities.seconds(word) == number
    assert re.fullmatch(quantities.TIME, word)


@pytest.mark.parametrize(
    ("word", "number"), [("1 Mbit/s", 10**6), ("2.5Gbit/s", 2_500_000_000), ("9.6 kbit/s", 9600)]
)
def test_a_rate(word: str, number: int) -> None:
    """In bits a second."""
    assert quantities.bits_a_second(word) == number
    assert re.fullmatch(quantities.RATE, word)


@pytest.mark.parametrize(
    ("read", "word", "told"),
    [
        ("chance", "5", "'5' is no chance — write 5%"),
        ("chance", "0.05", "'0.05' is no chance — write 5%"),
        ("chance", ".5", "'.5' is no chance — write 50%"),
        ("chance", "500", "'500' is no chance — write per cent, as 5%"),
        ("chance", "often", "'often' is no chance — write per cent, as 5%"),
        ("chance", "5 %", "'5 %' has a blank in it — write 5%"),
        ("chance", "101%", "a chance of 101% is out of range — write one from 0% to 100%"),
        ("chance", "-1%", "a chance of -1% is out of range — write one from 0% to 100%"),
        ("chance", "100.5 %", "a chance of 100.5 % is out of range — write one from 0% to 100%"),
        ("seconds", "200", "'200' has no unit — write one behind it: us, ms, s"),
        ("seconds", "2 MS", "unknown unit 'MS' — write 2 ms"),
        ("seconds", "2 min", "unknown unit 'min' — known here: us, ms, s"),
        ("seconds", "61 s", "a time of 61 s is out of range — write one of at most 60 s"),
        ("seconds", "-1 s", "'-1 s' is no time — write a number and its unit, as 200 ms"),
        ("bits_a_second", "1 mbit/s", "unknown unit 'mbit/s' — write 1 Mbit/s"),
        ("bits_a_second", "10", "'10' has no unit — write one behind it: kbit/s, Mbit/s, Gbit/s"),
        ("bits_a_second", "1 MB/s", "'1 MB/s' counts bytes — write bits, 8 to a byte: 8 Mbit/s"),
        ("bits_a_second", "1.5KBps", "'1.5KBps' counts bytes — write bits, 8 to a byte: 12 kbit/s"),
        (
            "bits_a_second",
            "0.5 kbit/s",
            "a rate of 0.5 kbit/s is out of range — write one from 1 kbit/s to 100 Gbit/s",
        ),
    ],
)
def test_what_does_not_fit(read: str, word: str, told: str) -> None:
    """What it is, and what was most likely meant."""
    found = getattr(quantities, read)(word)
    assert isinstance(found, Unfit)
    assert f"{found.what} — {found.hint}" == told


@pytest.mark.parametrize(
    ("number", "words"), [(1e-8, "0.000001%"), (0.0, "0%"), (1.0, "100%"), (0.1, "10%"), (0.125, "12.5%")]
)
def test_chances_in_words(number: float, words: str) -> None:
    """However little it is, it can be read again."""
    assert quantities.chance_words(number) == words
    assert quantities.chance(words) == pytest.approx(number)


@pytest.mark.parametrize(
    ("number", "words"), [(1e-9, "0.001 us"), (0.0, "0 ms"), (0.0123, "12.3 ms"), (1e-12, "0.000001 us")]
)
def test_times_in_words(number: float, words: str) -> None:
    """So it is with these."""
    assert quantities.time_words(number) == words
    assert quantities.seconds(words) == pytest.approx(number)


@given(st.text(st.sampled_from("0123456789.-+ %usmkMGbit/e²٣"), max_size=9))
def test_form_and_meaning_agree(word: str) -> None:
    """A law: whatever can be read has the form that the schema asks for."""
    for read, pattern in (
        (quantities.chance, quantities.CHANCE),
        (quantities.seconds, quantities.TIME),
        (quantities.bits_a_second, quantities.RATE),
    ):
        if not isinstance(read(word), Unfit):
            assert re.fullmatch(pattern, word)


@given(st.integers(0, 100_000), st.integers(0, 60_000_000), st.integers(1000, 10**9))
def test_words_are_read_back(thousandths: int, microseconds: int, bits: int) -> None:
    """A law: what is said of a number means that number."""
    chance, time = thousandths / 100_000, microseconds / 1_000_000
    assert quantities.chance(quantities.chance_words(chance)) == pytest.approx(chance, abs=1e-12)
    assert quantities.seconds(quantities.time_words(time)) == pytest.approx(time, abs=1e-12)
    rounded = bits // 1000 * 1000 if bits < 10**6 else bits // 10**6 * 10**6
    assert quantities.bits_a_second(quantities.rate_words(rounded)) == rounded


def test_the_unit_that_reads_best() -> None:
    """No 0.2 s, and no 1500 ms."""
    said = [quantities.time_words(one) for one in (0.0, 7e-6, 0.2, 1.5)]
    assert said == ["0 ms", "7 us", "200 ms", "1.5 s"]
    assert [quantities.rate_words(one) for one in (9600, 10**6, 10**9)] == [
        "9.6 kbit/s",
        "1 Mbit/s",
        "1 Gbit/s",
    ]
