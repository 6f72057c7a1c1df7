"""The labs that netlab ships: for each a directory with lab.yaml, scripts and a worksheet, README.md.

A checkout has them beside the package, a wheel within it, as netlab/shipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from netlab.errors import Fault, InputError, MachineError, Place, UsageError
from netlab.topology import values
from netlab.topology.faults import TOP, Faults, shown
from netlab.topology.reader import Value, read

FILE = "lab.yaml"
KEYS = ("title", "order", "rows", "topology", "node", "script", "arguments", "time_limit", "proof")
REQUIRED = {
    "title": "one line, as: a DNS query by hand",
    "order": "its place in the teaching order, as 1",
    "topology": "a file beside this one or among the shipped ones, as web.yaml",
    "node": "where the script runs, as client",
    "script": "a file, relative to this one, as client.py",
}
DEFAULT_SECONDS = 60
_MOST_SECONDS = 3600
_MOST_LABS = 10_000
_ROW = re.compile(r"A[1-9][0-9]?")


@dataclass(frozen=True, slots=True)
class Exercise:
    """A lab: `script` runs in `node` of `topology` with `arguments`, for `time_limit` seconds at most.

    `proof`, where there is one, then judges the record, whose directory is its one argument. `rows` name
    what is taught, by the rows of the table that the labs come from. All paths are absolute.
    """

    name: str
    title: str
    order: int
    rows: tuple[str, ...]
    topology: Path
    node: str
    script: Path
    arguments: tuple[str, ...]
    time_limit: float
    proof: Path | None
    readme: Path
    limited: bool = False  # by its own lab.yaml

    def seconds(self, topology: int | None) -> float:
        """Return its time limit: its own, else that of its topology, else what every lab has."""
        return self.time_limit if self.limited or topology is None else float(topology)


def labs_root() -> Path:
    """Return the directory of the labs; MachineError where this installation lacks it."""
    return _shipped("labs")


def topologies_root() -> Path:
    """Return the directory of the shipped topologies; MachineError where this installation lacks it."""
    return _shipped("topologies")


def _shipped(name: str) -> Path:
    package = Path(__file__).resolve().parents[1]
    for root in (package / "shipped" / name, package.parent / name):
        if root.is_dir():
            return root
    raise MachineError(f"this installation lacks netlab's {name}", "install netlab-l4 again")


def exercises(root: Path | None = None, topologies: Path | None = None) -> tuple[Exercise, ...]:
    """Return the labs in teaching order; InputError carries the faults of every lab.yaml.

    `root` and `topologies` stand in for the shipped directories.
    """
    found: list[Exercise] = []
    faults: list[Fault] = []
    for directory in _directories(root or labs_root()):
        try:
            found.append(_load(directory, topologies or topologies_root()))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return tuple(sorted(found, key=lambda exercise: (exercise.order, exercise.name)))


def find(name: str, root: Path | None = None, topologies: Path | None = None) -> Exercise:
    """Return the lab of that name; UsageError where there is none, InputError for faults in its lab.yaml."""
    from netlab.lab import did_you_mean

    directories = {directory.name: directory for directory in _directories(root or labs_root())}
    if name not in directories:
        raise UsageError(f"there is no lab {shown(name)}", did_you_mean(name, directories))
    return _load(directories[name], topologies or topologies_root())


def _directories(root: Path) -> Iterator[Path]:
    return (file.parent for file in sorted(root.glob(f"*/{FILE}")))


def _load(directory: Path, topologies: Path) -> Exercise:
    path = directory / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError([Fault(Place(str(path), 1, 1), "the file cannot be read", str(reason))]) from None
    faults = Faults(str(path), text)
    tree = read(text, faults)
    if tree is None and not faults:
        faults.add(TOP, "the file is empty", f"write its keys: {', '.join(REQUIRED)}")
    faults.check()
    exercise = _Reading(faults, directory.resolve(), topologies.resolve()).exercise(tree)
    faults.check()
    assert exercise is not None, "no lab, yet no fault"
    return exercise


@dataclass(frozen=True, slots=True)
class _Reading:
    """One lab.yaml being read."""

    faults: Faults
    directory: Path
    topologies: Path

    def exercise(self, tree: Value | None) -> Exercise | None:
        """Return the lab, with stopgaps in the place of values that are faults."""
        faults = self.faults
        known = values.fields(tree, KEYS, f"its keys: {', '.join(KEYS)}", faults)
        if known is None:
            return None
        # A key that was misspelt is one fault, not two.
        if not faults:
            for key in REQUIRED.keys() - known.keys():
                faults.add(TOP, f"the key {shown(key)} is missing", f"write {key}: and {REQUIRED[key]}")
        readme = self.directory / "README.md"
        if not readme.is_file():
            faults.add(TOP, "there is no README.md beside this file", "write the lab's worksheet")
        proof = self._file(known.get("proof"), self.directory)
        return Exercise(
            name=self.directory.name,
            title=self._text(known.get("title"), REQUIRED["title"]),
            order=self._integer(known.get("order"), 0, _MOST_LABS, 0),
            rows=self._texts(known.get("rows"), "rows of the table, as [A10]", _ROW.fullmatch),
            topology=self._file(known.get("topology"), self.directory, self.topologies) or self.directory,
            node=self._text(known.get("node"), REQUIRED["node"]),
            script=self._file(known.get("script"), self.directory) or self.directory,
            arguments=self._texts(known.get("arguments"), "the script's arguments, as [--expect-rst]"),
            time_limit=float(self._integer(known.get("time_limit"), 1, _MOST_SECONDS, DEFAULT_SECONDS)),
            limited="time_limit" in known,
            proof=proof,
            readme=readme,
        )

    def _text(self, value: Value | None, expected: str) -> str:
        if value is None:
            return ""
        return values.text(value, expected, self.faults, bool) or ""

    def _integer(self, value: Value | None, low: int, high: int, default: int) -> int:
        if value is None:
            return default
        return values.integer(value, low, high, self.faults) or default

    def _texts(
        self, value: Value | None, expected: str, fits: Callable[[str], object] = bool
    ) -> tuple[str, ...]:
        found = []
        for item in values.items(value, expected, self.faults) or ():
            word = self._text(item, expected)
            if word and not fits(word):
                self.faults.add(item.mark, f"{shown(word)} does not belong here", f"write {expected}")
            found.append(word)
        return tuple(found)

    def _file(self, value: Value | None, *places: Path) -> Path | None:
        """Return the file that is named, from the first of the places that has it."""
        if value is None:
            return None
        word = self._text(value, "the name of a file, as client.py")
        if not word:
            return None
        for place in places:
            if (place / word).is_file():
                return (place / word).resolve()
        where = ", nor among the shipped ones" if len(places) > 1 else ""
        what = f"there is no file {shown(word)} here{where}"
        self.faults.add(value.mark, what, "correct its name")
        return None
