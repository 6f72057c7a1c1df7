"""An interface's `wire:`, which impairs its cable: a script, and chance, read from a file or word by word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netlab.topology import quantities, reader, values
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.language import BURST, WAY, WIRE
from netlab.topology.quantities import Unfit
from netlab.topology.reader import Scalar, Value
from netlab.topology.steps import Misread, parse_step
from netlab.topology.vocabulary import SEEDS
from netlab.topology.wires import ENGINES, Burst, Chance, Step, Wire

_WIRE = "its keys, as {script: [drop 2nd tcp data], loss: 5%}"
_WAY = "its keys, as {loss: 5%, delay: 20 ms}"
_SCRIPT = "a list of steps, as [drop 2nd tcp data]"
_STEP = "a step in words, as drop 2nd tcp data"
_LOSS = "a chance, as 5%, or {enter: 1%, leave: 30%}"
_LIKE = {"delay": "a time, as 20 ms", "jitter": "a time, as 5 ms", "rate": "a rate, as 1 Mbit/s"}
_A_CHANCE = "a chance, as 5%"
QUOTED = "'loss={enter:1%,leave:30%}'"  # as a shell leaves it alone


TWICE = Unfit("this step is there twice, and both mean the same packet", "delete one, or let it say another")


def with_setting(chance: Chance, name: str, word: str) -> Chance | Unfit:
    """Return chance with one setting changed, as "loss" to "5%"; `check` judges them together."""
    if name not in WAY.names:
        return Unfit(f"unknown setting {shown(name)}", values.suggest(name, WAY.names))
    found: float | Unfit = {
        "delay": quantities.seconds,
        "jitter": quantities.seconds,
        "rate": quantities.bits_a_second,
    }.get(name, quantities.chance)(word)
    if isinstance(found, Unfit):
        return found
    given: dict[str, Any] = {name: found}
    return replace(chance, **({"burst": None} if name == "loss" else {}) | given)


def burst_of(word: str) -> Burst | Unfit:
    """Return loss in bursts as one word says it, {enter: 1%, leave: 30%}, whose blanks may be missing."""
    hint = f"write {QUOTED}"
    if not word.endswith("}"):
        return Unfit(f"{shown(word)} has no end", hint)
    given: dict[str, float] = {}
    for part in word[1:-1].split(","):
        name, _, number = (piece.strip() for piece in part.partition(":"))
        if name not in BURST.names:
            return Unfit(f"unknown key {shown(name)}", values.suggest(name, BURST.names))
        if name in given:
            return Unfit(f"{name} is there twice", "write it once")
        found = quantities.chance(number)
        if isinstance(found, Unfit):
            return Unfit(f"{name}: {found.what}", found.hint)
        given[name] = found
    if missing := [name for name in BURST.required if name not in given]:
        return Unfit(f"{missing[0]} is missing", hint)
    return Burst(**given)


def check(chance: Chance, engine: str) -> tuple[str, Unfit] | None:
    """Return what is wrong with settings that do not go together, and which of them is to blame."""
    if chance.jitter and not chance.delay:
        return "jitter", Unfit("jitter without a delay that it could vary", "write delay: beside it")
    if chance.jitter > chance.delay:
        most = quantities.time_words(chance.delay)
        what = f"a jitter of {quantities.time_words(chance.jitter)} is more than the delay"
        return "jitter", Unfit(what, f"write one of at most {most}: nothing arrives before it is sent")
    if engine == "netem" and chance.reorder and not chance.delay:
        hint = "write delay: beside it, or leave out engine: netem"
        return "reorder", Unfit("netem reorders by sparing some packets the delay, and there is none", hint)
    return None


def wire(value: Value, node: str, faults: Faults) -> Wire | None:
    """Return the wire of a cable of that node; None where it has a fault, which is noted."""
    before = len(faults)
    known = values.fields(value, WIRE.names, _WIRE, faults)
    if known is None:
        return None
    engine = values.one_of(known["engine"], ENGINES, "engine", faults) if "engine" in known else None
    script = _script(known.get("script"), node, faults)
    sent, received = (_way(known, key, engine or ENGINES[0], faults) for key in ("sent", "received"))
    seed = values.integer(known["seed"], *SEEDS, faults) if "seed" in known else None
    if engine == "netem" and "script" in known:
        mark = faults.nearest(known["script"].mark, known["engine"].mark)
        hint = "delete it, or leave out engine: netem"
        faults.add(mark, "netem knows no script: it leaves everything to chance", hint)
    return Wire(script, sent, received, seed, engine or ENGINES[0]) if len(faults) == before else None


def _way(known: Mapping[str, Value], key: str, engine: str, faults: Faults) -> Chance:
    """Return the chance of one direction: what is said of it alone lies over what is said of both."""
    own = values.fields(known.get(key), WAY.names, _WAY, faults) or {}
    settings = {name: known[name] for name in WAY.names if name in known} | own
    chance, is_sound = Chance(), True
    for name, value in settings.items():
        found = _set(chance, name, value, faults)
        chance, is_sound = found or chance, is_sound and found is not None
    if is_sound and (wrong := check(chance, engine)):
        name, unfit = wrong
        faults.add(settings[name].mark, *unfit)
    return chance


def _set(chance: Chance, name: str, value: Value, faults: Faults) -> Chance | None:
    """Return chance with one setting as it stands in the file; None where that has a fault."""
    if name == "loss" and isinstance(value, reader.Mapping):
        burst = _burst(value, faults)
        return None if burst is None else replace(chance, loss=0.0, burst=burst)
    word = _quantity(value, _LOSS if name == "loss" else _LIKE.get(name, _A_CHANCE), faults)
    found = None if word is None else with_setting(chance, name, word)
    if isinstance(found, Unfit):
        faults.add(value.mark, *found)
        return None
    return found


def _burst(value: reader.Mapping, faults: Faults) -> Burst | None:
    known = values.fields(value, BURST.names, _LOSS, faults) or {}
    given: dict[str, float] = {}
    for name, entry in known.items():
        word = _quantity(entry, _A_CHANCE, faults)
        found = None if word is None else quantities.chance(word)
        if isinstance(found, Unfit):
            faults.add(entry.mark, *found)
        elif found is not None:
            given[name] = found
    for name in BURST.required:
        if name not in known:
            what = f"{name} is missing: loss in bursts has a chance to begin and one to end, per packet"
            faults.add(value.mark, what, "write {enter: 1%, leave: 30%}")
            return None
    return Burst(**given) if given.keys() >= set(BURST.required) else None


def _quantity(value: Value, expected: str, faults: Faults) -> str | None:
    """Return a quantity as text; a number lacks its unit, which is for who knows the unit to say."""
    if isinstance(value, Scalar) and value.kind in ("str", "int", "float"):
        return value.text
    values.wrong_type(value, expected, faults)
    return None


def _script(value: Value | None, node: str, faults: Faults) -> tuple[Step, ...]:
    steps: list[Step] = []
    for item in values.items(value, _SCRIPT, faults) or ():
        word = values.text(item, _STEP, faults)
        found = None if word is None else parse_step(word, node)
        if isinstance(found, Misread):
            faults.add(_within(item, found), found.what, found.hint)
        elif found in steps:
            faults.add(item.mark, *TWICE)
        elif found is not None:
            steps.append(found)
    return tuple(steps)


def _within(item: Value, misread: Misread) -> Mark:
    """Return where in the file a piece of a text stands; the whole text, where it is not written as it is."""
    mark = item.mark
    length = len(item.text) if isinstance(item, Scalar) else 0
    quote = mark.width - length
    if quote not in (0, 2):
        return mark
    return mark._replace(column=mark.column + quote // 2 + misread.column, width=misread.width)
