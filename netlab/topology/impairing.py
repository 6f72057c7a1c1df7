"""A wire from the words of a command line, where `netlab.topology.impairments` reads it from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netlab.errors import Fault, InputError, Place, UsageError
from netlab.topology import impairments, values
from netlab.topology.faults import shown
from netlab.topology.language import BURST, WAY
from netlab.topology.quantities import Unfit
from netlab.topology.steps import Misread, parse_step
from netlab.topology.vocabulary import SEEDS
from netlab.topology.wires import ACTIONS, ENGINES, Chance, Step, Wire

WAYS = ("sent", "received")
_LIKE = 'as loss=5%, delay=20ms or "drop 2nd tcp data"'


def impaired(before: Wire | None, words: Sequence[str], node: str, ways: Sequence[str] = WAYS) -> Wire:
    """Return the wire that the words ask for, on a cable of that node.

    A word is a setting, as loss=5%, or belongs to a step: that begins with what is done, and may be one word
    or several. What is said of both ways is all that the wire then does; what is said of one changes that
    alone. The seed of before stays. Raises UsageError, or InputError for a step, which shows its place.
    """
    settings, steps = _sorted(words)
    wire = before or Wire()
    whole = set(ways) == set(WAYS)
    script = tuple(_step(text, node) for text in steps)
    cure = "leave out engine=netem" if "engine" in settings else "add engine=user"
    again = next((text for at, text in enumerate(steps) if script[at] in script[:at]), None)
    if again is not None:
        raise UsageError(f"{again}: {impairments.TWICE.what}", impairments.TWICE.hint)
    engine, seed = settings.pop("engine", wire.engine), settings.pop("seed", None)
    if engine not in ENGINES:
        raise UsageError(f"unknown engine {shown(engine)}", values.suggest(engine, ENGINES))
    chance = _chance(settings)
    if settings or whole:
        changed: dict[str, Any] = dict.fromkeys(ways, chance)
        wire = replace(wire, **changed)
    made = replace(
        wire,
        script=script if script or whole else wire.script,
        engine=engine,
        seed=wire.seed if seed is None else _seed(seed),
    )
    _check(made, cure)
    return made


def _sorted(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Tell settings from steps, whose words may stand apart."""
    settings: dict[str, str] = {}
    steps: list[str] = []
    is_open = False
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if equals:
            if name == "loss" and value.partition(":")[0] in BURST.names:
                # A shell has made two words of it.
                raise UsageError(f"loss: {shown(value)} is no chance", f"write {impairments.QUOTED}")
            if name in settings:
                raise UsageError(f"{name} is there twice", "write it once")
            settings[name], is_open = value.strip(), False
        elif word.split()[:1] and (word.split()[0] in ACTIONS or not is_open):
            _check_begins(word, words[at : at + 2], list(settings.items())[-1:])
            steps.append(word)
            is_open = True
        elif steps:
            steps[-1] += f" {word}"
    if not settings and not steps:
        raise UsageError("nothing is said of the wire", f"write what it is to do, {_LIKE}")
    return settings, steps


def _check_begins(word: str, and_next: Sequence[str], before: Sequence[tuple[str, str]]) -> None:
    """Raise UsageError where what should begin a step is a setting without its =, or the unit of one."""
    name, *rest = (word if " " in word else " ".join(and_next)).split()
    if name in (*WAY.names, "seed", "engine"):
        value = "".join(rest) or "…"
        is_step = name in ACTIONS and isinstance(impairments.with_setting(Chance(), name, value), Unfit)
        if not is_step:
            raise UsageError(f"{name} is a setting, and lacks its =", f"write {name}={value}")
    for setting, number in before:
        if setting in WAY.names and isinstance(impairments.with_setting(Chance(), setting, number), Unfit):
            whole = f"{number}{word}"
            if not isinstance(impairments.with_setting(Chance(), setting, whole), Unfit):
                raise UsageError(f"{setting}: {shown(word)} stands apart", f"write {setting}={whole}")


def _step(text: str, node: str) -> Step:
    found = parse_step(text, node)
    if isinstance(found, Misread):
        place = Place("command line", 1, found.column + 1)
        raise InputError([Fault(place, found.what, found.hint, text, found.width)])
    return found


def _chance(settings: dict[str, str]) -> Chance:
    chance = Chance()
    found: Chance | Unfit
    for name, word in settings.items():
        if name == "script":
            raise UsageError(
                "a script is no setting: its steps stand alone", 'write one so: "drop 2nd tcp data"'
            )
        if name not in WAY.names:
            known = (*WAY.names, "seed", "engine")
            raise UsageError(f"unknown setting {shown(name)}", values.suggest(name, known))
        if name == "loss" and word.startswith("{"):
            burst = impairments.burst_of(word)
            found = burst if isinstance(burst, Unfit) else replace(chance, burst=burst)
        else:
            found = impairments.with_setting(chance, name, word)
        if isinstance(found, Unfit):
            raise UsageError(f"{name}: {found.what}", found.hint)
        chance = found
    return chance


def _seed(word: str) -> int:
    if not word.isdecimal() or not SEEDS[0] <= int(word) <= SEEDS[1]:
        raise UsageError(f"seed: {shown(word)} is none", f"write a number from {SEEDS[0]} to {SEEDS[1]}")
    return int(word)


def _check(wire: Wire, cure: str) -> None:
    """Raise UsageError where what is said does not go together; the `cure` is for netem's lacks."""
    for chance in (wire.sent, wire.received):
        if wrong := impairments.check(chance, wire.engine):
            hint = wrong[1].hint.replace("write delay:", "write delay=")
            raise UsageError(f"{wrong[0]}: {wrong[1].what}", hint.replace("leave out engine: netem", cure))
    if wire.engine == "netem" and wire.script:
        raise UsageError("netem knows no script: it leaves everything to chance", cure)


def beginnings() -> tuple[str, ...]:
    """Return what a word of a command line can begin with."""
    return (*(f"{name}=" for name in (*WAY.names, "seed", "engine")), *ACTIONS)
