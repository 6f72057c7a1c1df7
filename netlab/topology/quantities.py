"""Quantities with their units, as a topology writes them: 5%, 200 ms, 1 Mbit/s; and back to words."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from netlab.topology.faults import shown

MOST_SECONDS = 60
RATES = (1000, 100_000_000_000)  # bits a second, both included

TIME_UNITS = {"us": 1_000_000, "ms": 1000, "s": 1}  # how many make a second
RATE_UNITS = {"kbit/s": 1000, "Mbit/s": 1_000_000, "Gbit/s": 1_000_000_000}  # in bits a second

# In what regular expressions of ECMA-262 and Python's have in common: no more digits than anybody means.
_NUMBER = r"[0-9]{1,6}(\.[0-9]{1,6})?"
CHANCE = r"(100(\.0{1,6})?|[0-9]{1,2}(\.[0-9]{1,6})?)%"
TIME = rf"{_NUMBER} ?({'|'.join(TIME_UNITS)})"
RATE = rf"{_NUMBER} ?({'|'.join(RATE_UNITS)})"


class Unfit(NamedTuple):
    """What is wrong with a word, and what to do."""

    what: str
    hint: str


def chance(word: str) -> float | Unfit:
    """Return a chance, written in per cent, as a number from 0 to 1."""
    if re.fullmatch(CHANCE, word):
        return float(word[:-1]) / 100
    hint = "write per cent, as 5%"
    if re.fullmatch(rf"-?{_NUMBER} ?%", word):
        number = float(word.rstrip(" %"))
        if 0 <= number <= 100:
            return Unfit(f"{shown(word)} has a blank in it", f"write {number:g}%")
        return Unfit(f"a chance of {word} is out of range", "write one from 0% to 100%")
    if re.fullmatch(r"[0-9]{1,3}", word) and int(word) <= 100:
        hint = f"write {int(word)}%"
    elif re.fullmatch(r"[01]?\.[0-9]{1,6}", word) and float(word) <= 1:
        hint = f"write {float(word) * 100:g}%"
    return Unfit(f"{shown(word)} is no chance", hint)


def seconds(word: str) -> float | Unfit:
    """Return a time, written with its unit, in seconds."""
    found = _measured(word, TIME_UNITS, "time", "200 ms")
    if isinstance(found, Unfit):
        return found
    number, unit = found
    if number / TIME_UNITS[unit] > MOST_SECONDS:
        return Unfit(f"a time of {word} is out of range", f"write one of at most {MOST_SECONDS} s")
    return number / TIME_UNITS[unit]


def bits_a_second(word: str) -> int | Unfit:
    """Return a rate, written with its unit, in bits a second."""
    found = _measured(word, RATE_UNITS, "rate", "1 Mbit/s")
    if (octets := re.fullmatch(rf"({_NUMBER}) ?([kKMG])B(/s|ps)", word)) is not None:
        prefix = octets[3].replace("K", "k")
        return Unfit(
            f"{shown(word)} counts bytes", f"write bits, 8 to a byte: {float(octets[1]) * 8:g} {prefix}bit/s"
        )
    if isinstance(found, Unfit):
        return found
    number, unit = found
    if not RATES[0] <= number * RATE_UNITS[unit] <= RATES[1]:
        return Unfit(f"a rate of {word} is out of range", "write one from 1 kbit/s to 100 Gbit/s")
    return round(number * RATE_UNITS[unit])


def _measured(word: str, units: Collection[str], noun: str, like: str) -> tuple[float, str] | Unfit:
    """Return a number and its unit."""
    found = re.fullmatch(rf"({_NUMBER}) ?([A-Za-zµ/]*)", word)
    if found is None:
        return Unfit(f"{shown(word)} is no {noun}", f"write a number and its unit, as {like}")
    number, unit = found[1], found[3]
    if unit in units:
        return float(number), unit
    known = ", ".join(units)
    if not unit:
        return Unfit(f"{shown(word)} has no unit", f"write one behind it: {known}")
    meant = next((one for one in units if one.lower() == unit.lower()), None)
    hint = f"known here: {known}" if meant is None else f"write {number} {meant}"
    return Unfit(f"unknown unit {shown(unit)}", hint)


def chance_words(number: float) -> str:
    """Say a chance as `chance` reads it, which is to a millionth of a per cent."""
    return f"{_plain(number * 100)}%"


def time_words(number: float) -> str:
    """Say a time as `seconds` reads it, in the unit that reads best; to a millionth of a microsecond."""
    unit = next((one for one in ("s", "ms", "us") if number * TIME_UNITS[one] >= 1), "us" if number else "ms")
    return f"{_plain(number * TIME_UNITS[unit])} {unit}"


def rate_words(number: int) -> str:
    """Say a rate as `bits_a_second` reads it, in the unit that reads best."""
    unit = next((one for one in ("Gbit/s", "Mbit/s") if number >= RATE_UNITS[one]), "kbit/s")
    return f"{number / RATE_UNITS[unit]:.10g} {unit}"


def _plain(number: float) -> str:
    """Return a number with the digits that `_NUMBER` has, and no exponent."""
    whole, _, rest = f"{number:.6f}".partition(".")
    rest = rest.rstrip("0")
    return f"{whole}.{rest}" if rest else whole
