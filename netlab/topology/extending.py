"""`extends: other.yaml`: a file says what differs from another, which may extend a third."""

from __future__ import annotations

from pathlib import Path

from netlab.errors import InputError
from netlab.topology import values
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.files import MAX_BYTES, beside, read_text
from netlab.topology.merging import Merging, without
from netlab.topology.reader import Mapping, Value, read

KEY = "extends"
MAX_FILES = 10  # that one file extends, directly or by way of others

_EXPECTED = "a file, relative to this one, as web.yaml"
# What is not taken over: a lab that differs is another lab, and has its own name.
_OWN = (KEY, "name")


def extended(tree: Value, file: str, directory: Path, faults: Faults) -> Value | None:
    """Return the tree laid over all that it extends; None where one of these cannot be read."""
    trees = [tree]
    paths = [directory / Path(file).name]
    room = MAX_BYTES
    while (value := _named(trees[-1])) is not None:
        word = values.text(value, _EXPECTED, faults, bool)
        if word is None:
            return None
        path = beside(value.mark, directory) / word
        text = _text(path, word, value.mark, faults)
        if text is None or not _goes_on([*paths, path], value.mark, faults):
            return None
        room -= len(text)
        if room < 0:
            what = "the files that extend each other are larger than 1 MiB together"
            faults.add(value.mark, what, "a topology needs far less")
            return None
        below = _read(text, str(path), value.mark, faults)
        if below is None:
            return None
        trees.append(below)
        paths.append(path)
    whole = trees.pop()
    merging = Merging(faults)
    while trees:
        # The lowest first: what lies over it says the more.
        over = trees.pop()
        assert isinstance(whole, Mapping), "what is extended is a mapping"
        assert isinstance(over, Mapping), "what extends is a mapping"
        whole = merging.over(without(whole, *_OWN), without(over, KEY))
    return whole


def _named(tree: Value) -> Value | None:
    """Return what stands under `extends`, if anything does."""
    if not isinstance(tree, Mapping):
        return None
    found = (value for key, value in tree.entries if key.text == KEY and not values.is_null(value))
    return next(found, None)


def _text(path: Path, word: str, mark: Mark, faults: Faults) -> str | None:
    """Read a file that is extended; what is wrong with it is told where it is named."""
    try:
        # Not a pipe or a terminal: nobody may be there to write to it.
        if path.exists() and not path.is_file() and not path.is_dir():
            faults.add(mark, f"{shown(word)} is no ordinary file", f"write {_EXPECTED}")
            return None
        return read_text(path)
    except InputError as error:
        fault = error.faults[0]
        faults.add(mark, f"{shown(word)} cannot be extended: {fault.what}", fault.hint)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        faults.add(mark, f"{shown(word)} cannot be extended: {reason}", f"write {_EXPECTED}")
    return None


def _goes_on(paths: list[Path], mark: Mark, faults: Faults) -> bool:
    """Note a chain that comes back to one of its files, or that is too long; the last is the newest."""
    real = [path.resolve() for path in paths]
    if real[-1] in real[:-1]:
        ring = " > ".join(path.name for path in real[real.index(real[-1]) :])
        faults.add(mark, f"a file extends itself: {ring}", "let one of them say all")
        return False
    if len(paths) > MAX_FILES + 1:
        what = f"more than {MAX_FILES} files extend each other"
        faults.add(mark, what, "put what they say into fewer")
        return False
    return True


def _read(text: str, name: str, mark: Mark, faults: Faults) -> Value | None:
    """Return the tree of a file that is extended, if it can have one."""
    faults.add_file(name, text)
    before = len(faults)
    tree = read(text, faults, name)
    if tree is None:
        if len(faults) == before:
            faults.add(mark, f"{shown(Path(name).name)} is empty", "write nodes: and what is below it")
        return None
    if not isinstance(tree, Mapping):
        values.wrong_type(tree, "keys at the top, as nodes: {client: }", faults)
        return None
    return tree
