"""Scripts of segments: what goes into an endpoint, and what must come out, a line each.

A file under scripts/ has many. Each begins with `== ` and its name, which says the RFC's section.

    set nagle=no mss=500       Settings, by name, and A and B; before the first call. Ours are BASE below
    connected [win=N] [mss=N]  a call to open, and the handshake; `accepted` is the same with a passive open
    open, listen, close, abort, send 100, read 100 [TEXT]  calls; `fails CALL: WORDS` for one that is refused
    < ACK seq=B+1 ack=A+1 win=8000 len=100 …               a segment arrives; `text=abc` gives it other text
    > ACK seq=A+1 ack=B+101 …                              a segment must have been sent: the next one
    nothing                    no other segment was sent; so it must be when one arrives, and at the end
    wait 0.2                   seconds pass
    state ESTABLISHED, failure WORDS, failure none
    icmp hard|soft|too-big seq=A+1 [mtu=N]                 an ICMP error arrives

A is our initial sequence number, B the peer's; numbers are sums, as B+1+1460, and wrap. Of a segment that is
sent, flags, seq, ack, length and options are compared, `win` and `up` where they stand; options are
`mss= ws= sackok ts ts=VALUE:ECHO sack=B+1..B+101,…`. Text is what it should be at its place, both ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from netlab.report.headers import FLAGS
from netlab.tcp import icmp
from netlab.tcp.endpoint import ClosedError, Endpoint
from netlab.tcp.options import NO_OPTIONS, Options
from netlab.tcp.segment import ACK, SYN, Segment
from netlab.tcp.sequence import wrap
from netlab.tcp.settings import Settings

SCRIPTS = Path(__file__).parent / "scripts"
BASE = Settings(mss=1000, receive_buffer=20000, sack=False, timestamps=False, window_scaling=False)
OURS, THEIRS = 50000, 80
_TICK = 1e-6  # seconds: what adding up decimal fractions may be wrong by


class DrillError(AssertionError):
    """A script that did not go as it says, or that says what nobody understands."""


@dataclass(frozen=True)
class Script:
    """A name, and the lines with their numbers in the file."""

    name: str
    lines: tuple[tuple[int, str], ...]


def scripts(directory: Path = SCRIPTS) -> Iterator[Script]:
    """Yield every script of a directory's files."""
    for path in sorted(directory.glob("*.txt")):
        yield from parse(path.read_text())


def parse(text: str) -> list[Script]:
    """Cut a file's text into scripts."""
    found: list[tuple[str, list[tuple[int, str]]]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if raw.startswith("== "):
            found.append((raw[3:].strip(), []))
        elif line:
            found[-1][1].append((number, line))
    return [Script(name, tuple(lines)) for name, lines in found]


@dataclass
class Drill:
    """A script while it runs. `sent` is what has come out and was not looked at yet; `packets` counts all."""

    settings: Settings = BASE
    numbers: dict[str, int] = field(default_factory=lambda: {"A": 1000, "B": 5000})
    endpoint: Endpoint | None = None
    active: bool = True
    now: float = 0.0
    sent: list[Segment] = field(default_factory=list)
    packets: int = 0
    written: int = 0
    read: int = 0

    def run(self, script: Script) -> None:
        """Run a script to its end; DrillError at the first line that does not hold."""
        for number, line in script.lines:
            try:
                self.step(line)
            except DrillError as error:
                raise DrillError(f"{script.name}, line {number}: {error}") from None
        self.nothing()

    def step(self, line: str) -> None:
        """Do what a line says."""
        word, _, rest = line.partition(" ")
        if word == "set":
            self.set(rest.split())
        elif word in ("<", ">"):
            (self.arrives if word == "<" else self.expects)(rest.split())
        elif word == "fails":
            self.fails(*rest.split(": "))
        elif word in ("state", "failure"):
            self.compare(word, rest)
        else:
            method = {"nothing": self.nothing, "wait": self.wait, "icmp": self.icmp}.get(word)
            if method is not None:
                method(*rest.split())
            else:
                self.call(word, *rest.split())
        self.collect()

    def collect(self) -> None:
        """Take in what was sent."""
        if self.endpoint is not None:
            self.sent += self.endpoint.take_segments()

    # -- numbers -----------------------------------------------------------------------------------

    def value(self, expression: str) -> int:
        """Return a sum's value; letters stand for their numbers."""
        terms = re.findall(r"[+-]?[A-Z0-9]+", expression)
        if "".join(terms) != expression:
            raise DrillError(f"{expression!r} is no sum")
        total = 0
        for term in terms:
            name = term.lstrip("+-")
            value = self.numbers[name] if name in self.numbers else int(name)
            total += -value if term[0] == "-" else value
        return total

    def shown(self, value: int, expression: str) -> str:
        """Return a number as it counts from the letter of an expression, as a trace has it."""
        base = next((self.numbers[letter] for letter in self.numbers if letter in expression), 0)
        return str(wrap(value - base))

    # -- calls -------------------------------------------------------------------------------------

    def set(self, words: list[str]) -> None:
        """Change settings, or A and B."""
        known = {one.name: one.type for one in fields(Settings)}
        for word in words:
            name, _, value = word.partition("=")
            if name in self.numbers:
                self.numbers[name] = int(value)
            elif name not in known:
                raise DrillError(f"there is no setting {name!r}")
            else:
                read = {"bool": lambda text: text == "yes", "int": int, "float": float}[str(known[name])]
                self.settings = replace(self.settings, **{name: read(value)})

    def made(self) -> Endpoint:
        """Return the endpoint, made with the first call."""
        if self.endpoint is None:
            self.endpoint = Endpoint(OURS, THEIRS, iss=self.numbers["A"], clock=0, settings=self.settings)
        return self.endpoint

    def call(self, name: str, *arguments: str) -> None:
        """Make a call of the user's."""
        endpoint = self.made()
        if name in ("open", "close", "abort"):
            getattr(endpoint, name)(self.now)
        elif name == "listen":
            self.active = False
            endpoint.listen(self.now)
        elif name == "send":
            data = pattern(self.written, int(arguments[0]))
            self.written += endpoint.send(data, self.now)
        elif name == "read":
            length = int(arguments[0])
            self.expect_text(endpoint.receive(length or 1 << 20, self.now), length, *arguments[1:])
        elif name in ("connected", "accepted"):
            self.shake_hands(name, dict(word.split("=") for word in arguments))
        else:
            raise DrillError(f"what is {name!r}?")

    def shake_hands(self, how: str, given: dict[str, str]) -> None:
        """Open, with the default numbers."""
        window, mss = given.get("win", "65535"), given.get("mss", "1000")
        syn = f"seq=B win={window} mss={mss}"
        if how == "connected":
            steps = ("open", "> SYN seq=A mss=*", f"< SYN,ACK {syn} ack=A+1", "> ACK seq=A+1 ack=B+1")
        else:
            third = f"< ACK seq=B+1 ack=A+1 win={window}"
            steps = ("listen", f"< SYN {syn}", "> SYN,ACK seq=A ack=B+1 mss=*", third)
        for step in steps:
            self.step(step)

    def expect_text(self, data: bytes, length: int, text: str | None = None) -> None:
        """Compare what was read."""
        if data != (pattern(self.read, length) if text is None else text.encode()):
            what = "other bytes" if len(data) == length else f"{len(data)} bytes"
            raise DrillError(f"read: expected {length} bytes from byte {self.read} on, got {what}")
        self.read += length

    def fails(self, call: str, words: str) -> None:
        """Make a call that must be refused."""
        try:
            self.call(*call.split())
        except ClosedError as error:
            if str(error) != words:
                raise DrillError(f"{call}: expected {words!r}, got {str(error)!r}") from None
        else:
            raise DrillError(f"{call}: expected {words!r}, got no error")

    def wait(self, seconds: str) -> None:
        """Let time pass, timer by timer."""
        endpoint, until = self.made(), self.now + float(seconds)
        while (due := endpoint.deadline) is not None and due <= until + _TICK:
            self.now = max(self.now, due)
            endpoint.time_passes(self.now)
        self.now = max(self.now, until)

    def icmp(self, kind: str, *words: str) -> None:
        """Let an ICMP error arrive."""
        given = dict(word.split("=") for word in words)
        meaning = icmp.Kind[kind.upper().replace("-", "_")]
        seq, mtu = wrap(self.value(given["seq"])), int(given.get("mtu", "0"))
        self.made().report_arrives(icmp.Report(meaning, OURS, THEIRS, seq, mtu, "ICMP"), self.now)

    def compare(self, what: str, expected: str) -> None:
        """Compare the state, or why the connection has ended."""
        endpoint = self.made()
        failure = endpoint.failure.value if endpoint.failure else "none"
        got = endpoint.state.value if what == "state" else failure
        if got != expected:
            raise DrillError(f"{what}: expected {expected}, got {got}")

    # -- segments ----------------------------------------------------------------------------------

    def arrives(self, words: list[str]) -> None:
        """Let a segment of the peer's arrive; nothing that was sent before may have gone unmentioned."""
        self.collect()
        self.nothing()
        flags, given = _split(words)
        seq, length = wrap(self.value(given.pop("seq"))), int(given.pop("len", "0"))
        text = wrap(seq - self.numbers["B"] - (0 if flags & SYN else 1))
        data = given.pop("text").encode() if "text" in given else pattern(text, length)
        segment = Segment(
            int(given.pop("from", str(THEIRS))), OURS, seq, wrap(self.value(given.pop("ack", "0"))), flags,
            int(given.pop("win", "65535")), data, self.options(given), int(given.pop("up", "0")),
        )  # fmt: skip
        if given:
            raise DrillError(f"what is {', '.join(given)}?")
        self.packets += 1
        self.made().segment_arrives(segment, self.now)

    def expects(self, words: list[str]) -> None:
        """Compare the next segment that was sent."""
        self.collect()
        self.packets += 1
        flags, given = _split(words)
        if not self.sent:
            raise self.wrong(f"expected {' '.join(words)}, got nothing")
        segment = self.sent.pop(0)
        if segment.flags != flags:
            raise self.wrong(f"flags expected {words[0]}, got {segment.flag_names}")
        if "seq" not in given or (flags & ACK and "ack" not in given):
            raise DrillError("a segment that is sent needs seq, and with ACK ack")
        for name, got in (
            ("seq", segment.seq),
            ("ack", segment.ack),
            ("win", segment.window),
            ("up", segment.urgent),
        ):
            if name in given:
                self.same(name, given.pop(name), got)
        self.same("len", given.pop("len", "0"), len(segment.data))
        start = wrap(segment.seq - self.numbers["A"] - 1)
        if segment.data != pattern(start, len(segment.data)):
            raise self.wrong("its text is not what belongs there")
        self.same_options(given, segment.options)

    def same_options(self, given: dict[str, str], got: Options) -> None:
        """Compare options: `mss=*` and `ts` take any value."""
        anything = {"mss": got.mss if given.get("mss") == "*" else None}
        stamps = got.timestamps if given.get("ts") == "" else None
        plain = {name: text for name, text in given.items() if (name, text) not in (("mss", "*"), ("ts", ""))}
        wanted = self.options(plain)
        wanted = replace(wanted, mss=anything["mss"] or wanted.mss, timestamps=stamps or wanted.timestamps)
        if plain:
            raise DrillError(f"what is {', '.join(plain)}?")
        if wanted != replace(got):
            raise self.wrong(f"options expected {_in_words(wanted)}, got {_in_words(got)}")

    def same(self, name: str, expression: str, got: int) -> None:
        """Compare a number."""
        expected = self.value(expression)
        expected = wrap(expected) if name in ("seq", "ack") else expected
        if expected != got:
            wanted, found = self.shown(expected, expression), self.shown(got, expression)
            how = "" if wanted == expression else f" ({expression})"
            raise self.wrong(f"{name} expected {wanted}{how}, got {found}")

    def options(self, given: dict[str, str]) -> Options:
        """Return the options that words name, and take them out of `given`."""
        blocks = [tuple(map(self.value, one.split(".."))) for one in given.pop("sack", "").split(",") if one]
        stamps = given.pop("ts", None)
        options = Options(
            mss=int(given.pop("mss")) if "mss" in given else None,
            window_scale=int(given.pop("ws")) if "ws" in given else None,
            sack_permitted=given.pop("sackok", None) is not None,
            sack=tuple((wrap(first), wrap(past)) for first, past in blocks),
            timestamps=tuple(map(int, stamps.split(":"))) if stamps else None,  # type: ignore[arg-type]
        )
        return NO_OPTIONS if options == NO_OPTIONS else options

    def nothing(self) -> None:
        """Fail where a segment was sent that no line has."""
        if self.sent:
            self.packets += 1
            first = self.sent[0]
            raise self.wrong(f"expected nothing, got {first.flag_names} {self.told(first)}")

    def told(self, segment: Segment) -> str:
        """Return a segment's numbers, as they count from each SYN."""
        seq, ack = self.shown(segment.seq, "A"), self.shown(segment.ack, "B")
        return f"seq={seq} ack={ack} len={len(segment.data)}"

    def wrong(self, what: str) -> DrillError:
        """Return the error for the packet at hand, which is one that we have sent."""
        ends = "client > web" if self.active else "web > client"
        return DrillError(f"packet {self.packets} {ends}: {what}")


def pattern(start: int, length: int) -> bytes:
    """Return a stretch of the text that both sides say: it tells where it is from."""
    return bytes((position * 7 + position // 251) % 256 for position in range(start, start + length))


def _split(words: list[str]) -> tuple[int, dict[str, str]]:
    """Return a line's flags as a number, and its fields."""
    flags = 0
    for name in words[0].split(","):
        if name != "none":
            flags |= 1 << FLAGS.index(name)
    return flags, {name: value for name, _, value in (word.partition("=") for word in words[1:])}


def _in_words(options: Options) -> str:
    told = [
        f"{one.name}={getattr(options, one.name)}" for one in fields(Options) if getattr(options, one.name)
    ]
    return " ".join(told) or "none"
