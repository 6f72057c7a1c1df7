"""The words of a node that give it something: environment, sysctls, files and limits; `startups` reads start.

Every path is read here, at load: a plan holds all that its lab needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as Mappings
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from netlab.topology import parameters, startups, values
from netlab.topology.faults import Faults, shown
from netlab.topology.given import GivenFile, Limits, Provisions
from netlab.topology.language import FILE, LIMITS
from netlab.topology.model import Node
from netlab.topology.reader import Mapping, Scalar, Value
from netlab.topology.vocabulary import OPEN_FILES, PROCESSES, TIME_LIMITS

MOST_BYTES = 16 << 20  # of all files of a topology
MOST_ENVIRONMENT = 64 << 10  # of one node; execve(2) takes 128 KiB in one variable

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SYSCTL = re.compile(r"net(\.[A-Za-z0-9_-]+)+")
_MODE = re.compile(r"0?[0-7]{3}")
_SIZE = re.compile(r"([0-9]{1,12}) ?(KiB|MiB|GiB)")
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# Less, and the dynamic linker has no room to say so.
_LEAST_MEMORY = 1 << 20
_MOST_MEMORY = 1 << 40

# The kernel's own, and what netlab keeps in a lab.
_TAKEN = ("/proc", "/sys", "/dev", "/run/netlab")
ValuesByNode = Mappings[str, Mappings[str, Value]]
_SIZES = "a size, as 64 MiB"
_BESIDE = "the path of a file, relative to this one, as data.bin"


def with_provisions(
    nodes: Iterable[Node], known: ValuesByNode, directory: Path, faults: Faults
) -> tuple[Node, ...]:
    """Return the nodes with what their keys give them; paths are relative to `directory`."""
    reading = _Provisioning(directory, faults)
    made = tuple(replace(node, provisions=reading.read(known[node.name])) for node in nodes)
    for node in made:
        if node.provisions.sysctls:
            parameters.check(node, known[node.name], faults)
    return made


@dataclass(slots=True)
class _Provisioning:
    """Reads what the nodes of one topology are given; `left` bytes may still be read from files."""

    directory: Path
    faults: Faults
    left: int = MOST_BYTES
    contents: dict[Path, bytes] = field(default_factory=dict)

    def read(self, known: Mappings[str, Value]) -> Provisions:
        """Return what a node's keys give it."""
        return Provisions(
            self._environment(known.get("environment")),
            self._sysctls(known.get("sysctls")),
            self._files(known.get("files")),
            startups.startups(known.get("start"), self.faults),
            self._limits(known.get("limits")),
        )

    # -- environment, sysctls --------------------------------------------------------------------

    def _environment(self, value: Value | None) -> tuple[tuple[str, str], ...]:
        """Return variables; a value is its text, as it stands there, whatever YAML takes it for."""
        found = values.entries(value, "variables with their values, as {COLOUR: blue}", self.faults) or ()
        pairs = []
        for key, entry in found:
            if not _VARIABLE.fullmatch(key.text):
                what = f"{shown(key.text)} cannot name a variable"
                self.faults.add(key.mark, what, "letters, digits and _, and no digit first, as COLOUR")
            elif key.text.startswith("NETLAB_"):
                what = f"the variable {shown(key.text)} is netlab's own"
                self.faults.add(key.mark, what, "choose a name that does not begin with NETLAB_")
            elif not isinstance(entry, Scalar):
                values.wrong_type(entry, "its value, as blue", self.faults)
            elif values.is_null(entry):
                what = f"the variable {shown(key.text)} has no value"
                self.faults.add(key.mark, what, 'write one; "" is an empty one')
            else:
                pairs.append((key.text, entry.text))
        if (
            value is not None
            and sum(len(f"{name}={text}".encode()) for name, text in pairs) > MOST_ENVIRONMENT
        ):
            what = f"an environment of more than {MOST_ENVIRONMENT >> 10} KiB"
            self.faults.add(value.mark, what, "put what is long into a file: files: {/srv/data: …}")
        return tuple(pairs)

    def _sysctls(self, value: Value | None) -> tuple[tuple[str, str], ...]:
        found = values.entries(value, "parameters with values, as {net.ipv4.tcp_syncookies: 0}", self.faults)
        pairs = []
        for key, entry in found or ():
            if not _SYSCTL.fullmatch(key.text):
                self.faults.add(key.mark, *_unfit_sysctl(key.text))
                continue
            text = self._parameter(entry)
            if text is not None:
                pairs.append((key.text, text))
        return tuple(pairs)

    def _parameter(self, value: Value) -> str | None:
        """Return what a parameter is set to; a number must be as the kernel reads it too."""
        expected = 'a number or a text, as 0, cubic or "4096 131072 6291456"'
        if not isinstance(value, Scalar) or value.kind not in ("str", "int"):
            values.wrong_type(value, expected, self.faults)
            return None
        plain = re.fullmatch(r"-?(0|[1-9][0-9]*)", value.text)
        if value.kind == "int" and not plain:
            self.faults.add(
                value.mark, f"{shown(value.text)} is no plain decimal number", f"write {expected}"
            )
            return None
        if not value.text.strip() or "\n" in value.text:
            self.faults.add(value.mark, "a parameter is one line of text", f"write {expected}")
            return None
        return value.text

    # -- files -----------------------------------------------------------------------------------

    def _files(self, value: Value | None) -> tuple[GivenFile, ...]:
        expected = "files by path, as {/etc/motd: hello}"
        found = values.entries(value, expected, self.faults) or ()
        made = []
        paths = {key.text for key, _ in found}
        for key, entry in found:
            if self._is_path(key, paths) and (file := self._file(key, entry)):
                made.append(file)
        return tuple(made)

    def _is_path(self, key: Scalar, others: Iterable[str]) -> bool:
        """Note a fault unless a key can be the path of a file in a node."""
        path = key.text
        pure = PurePosixPath(path)
        if (
            not path.startswith("/")
            or path.startswith("//")
            or str(pure) != path
            or ".." in pure.parts
            or pure == pure.parent
        ):
            what = f"{shown(path)} is not the whole path of a file in the node"
            self.faults.add(key.mark, what, "begin at the root, without . and .., as /srv/data")
        elif any(pure.is_relative_to(taken) for taken in _TAKEN):
            taken = next(taken for taken in _TAKEN if pure.is_relative_to(taken))
            whose = "netlab's own" if taken.startswith("/run") else "the kernel's"
            hint = "choose another place, as /srv/data"
            if path.startswith("/proc/sys/net/"):
                hint = f"write sysctls: {{{path.removeprefix('/proc/sys/').replace('/', '.')}: …}}"
            self.faults.add(key.mark, f"{taken} is {whose}", hint)
        elif len(pure.name.encode()) > 255 or len(path.encode()) > 4000:
            self.faults.add(key.mark, "no file can have so long a name", "at most 255 bytes")
        elif below := next((other for other in others if pure in PurePosixPath(other).parents), None):
            what = f"{shown(path)} cannot be a file: {shown(below)} makes it a directory"
            self.faults.add(key.mark, what, "rename one of the two")
        else:
            return True
        return False

    def _file(self, key: Scalar, value: Value) -> GivenFile | None:
        """Return a file from its short form, a text, or from its long one."""
        expected = f"its text, or {{from: data.bin}}; keys are {', '.join(FILE.names)}"
        if isinstance(value, Scalar) and value.kind == "null":
            what = f"the file {shown(key.text)} has no text"
            self.faults.add(key.mark, what, f'write {expected}; "" is empty')
            return None
        if not isinstance(value, Mapping):
            word = values.text(value, expected, self.faults, bool)
            return None if word is None else self._inline(key, word, 0o644)
        known = values.fields(value, FILE.names, expected, self.faults)
        if known is None:
            return None
        mode = self._mode(known["mode"]) if "mode" in known else 0o644
        if ("text" in known) == ("from" in known):
            both = "both text and from are there" if "text" in known else "a file without text or from"
            unknown = any(key.text not in FILE.names for key, _ in value.entries)
            if not unknown:  # a misspelt key was most likely one of them
                self.faults.add(value.mark, both, f"write one of the two: {expected}")
            return None
        if "from" in known:
            return self._copied(key, known["from"], mode)
        word = values.text(known["text"], "its text", self.faults, bool)
        return None if word is None else self._inline(key, word, mode)

    def _inline(self, key: Scalar, text: str, mode: int) -> GivenFile | None:
        data = text.encode()
        return GivenFile(key.text, data, mode) if self._take(len(data), key) else None

    def _copied(self, key: Scalar, value: Value, mode: int) -> GivenFile | None:
        word = values.text(value, _BESIDE, self.faults, bool)
        if word is None:
            return None
        directory = Path(value.mark.file).parent if value.mark.file else self.directory
        path = directory / word
        if path not in self.contents:
            data = self._content(path, word, value)
            if data is None:
                return None
            self.contents[path] = data
        data = self.contents[path]
        return GivenFile(key.text, data, mode, word) if self._take(len(data), value) else None

    def _content(self, path: Path, word: str, value: Value) -> bytes | None:
        """Return what a file holds; of one that is too long, no more than shows that."""
        try:
            if path.is_dir():
                self.faults.add(value.mark, f"{shown(word)} is a directory", f"write {_BESIDE}")
                return None
            if path.exists() and not path.is_file():
                self.faults.add(value.mark, f"{shown(word)} is no regular file", f"write {_BESIDE}")
                return None
            with path.open("rb") as file:
                return file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            hint = "make it, or correct the path: it is relative to this file"
            self.faults.add(value.mark, f"there is no file {shown(word)}", hint)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self.faults.add(value.mark, f"{shown(word)} cannot be read: {reason}", f"write {_BESIDE}")
        return None

    def _take(self, size: int, value: Scalar | Value) -> bool:
        """Count bytes; the file that goes beyond the bound is told, those after it are not."""
        before, self.left = self.left, self.left - size
        if self.left >= 0:
            return True
        if before >= 0:
            what = f"with this one, the files of the lab are more than {MOST_BYTES >> 20} MiB"
            self.faults.add(value.mark, what, "give less, or make it in the node with a start-up command")
        return False

    def _mode(self, value: Value) -> int:
        """Return permissions; YAML takes 0644 for 420 and 0o644 for a word, so they are quoted."""
        expected = 'permissions in octal, quoted, as "0644" or "0755"'
        if not isinstance(value, Scalar) or value.kind not in ("str", "int"):
            values.wrong_type(value, expected, self.faults)
        elif value.kind == "int" and _MODE.fullmatch(value.text):
            what = f"{value.text} is a number, and to some programs another one than to others"
            self.faults.add(value.mark, what, f'quote it: "0{value.text.removeprefix("0")}"')
        elif not _MODE.fullmatch(value.text):
            self.faults.add(value.mark, f"{shown(value.text)} are no permissions", f"write {expected}")
        else:
            return int(value.text, 8)
        return 0o644

    # -- limits ----------------------------------------------------------------------------------

    def _limits(self, value: Value | None) -> Limits:
        expected = f"limits, as {{memory: 64 MiB, processes: 50}}, out of {', '.join(LIMITS.names)}"
        known = values.fields(value, LIMITS.names, expected, self.faults) or {}

        def number(key: str, low: int, high: int) -> int | None:
            return values.integer(known[key], low, high, self.faults) if key in known else None

        return Limits(
            memory=self._size(known["memory"]) if "memory" in known else None,
            processes=number("processes", *PROCESSES),
            cpu_seconds=number("cpu-seconds", *TIME_LIMITS),
            files=number("files", *OPEN_FILES),
        )

    def _size(self, value: Value) -> int | None:
        """Return bytes from a number with its unit, a power of 1024 (IEC 80000-13)."""
        if not isinstance(value, Scalar) or value.kind not in ("str", "int"):
            values.wrong_type(value, _SIZES, self.faults)
            return None
        found = _SIZE.fullmatch(value.text)
        if not found:
            what, hint = f"{shown(value.text)} is no size", f"write {_SIZES}"
            if value.text.isdigit():
                what, hint = f"{value.text} of what?", f"write the unit too: {value.text} MiB"
            elif near := re.fullmatch(r"([0-9]+) ?([kKmMgG])i?[bB]?", value.text):
                hint = f"write {near[1]} {near[2].upper()}iB"
            self.faults.add(value.mark, what, hint)
            return None
        size = int(found[1]) * _UNITS[found[2]]
        if not _LEAST_MEMORY <= size <= _MOST_MEMORY:
            self.faults.add(value.mark, f"{value.text} is out of range", "write 1 MiB to 1024 GiB")
            return None
        return size


def time_limit(value: Value | None, faults: Faults) -> int | None:
    """Return the seconds after which a command of the lab is ended; None: never."""
    return None if value is None else values.integer(value, *TIME_LIMITS, faults)


def _unfit_sysctl(key: str) -> tuple[str, str]:
    """Return what is wrong with a parameter's name, and what would be right."""
    dotted = key.replace("/", ".").removeprefix(".proc.sys.")
    if dotted != key and _SYSCTL.fullmatch(dotted):
        return f"{shown(key)} is the path of a parameter", f"write its name: {dotted}"
    if re.fullmatch(r"(ipv4|ipv6|core|netfilter|unix)\..+", key):
        return f"{shown(key)} is no parameter of a node's network", f"did you mean 'net.{key}'?"
    if re.fullmatch(r"(tcp|udp|icmp|ip)_[a-z0-9_]+", key):
        return f"{shown(key)} is no parameter's whole name", f"did you mean 'net.ipv4.{key}'?"
    if re.fullmatch(r"(kernel|vm|fs|dev|user|abi|debug)\..*", key):
        return f"{shown(key)} is the whole machine's", "a node has parameters of its own below net. alone"
    return f"{shown(key)} is no parameter of a node's network", "write its name, as net.ipv4.tcp_syncookies"
