"""Two traces held against each other, each direction of each flow by itself.

What no seed can decide is normalised away. It is, with who decides it:
- times, and the order of packets of different flows or directions, or of one at different ports, as a router
  has passed them on: the machine's load;
- a port in `KERNEL_PORTS`, of a flow's one end (see `pair_conversations`) or in an ICMP error: a kernel;
- the id of a DNS message from or to such a port: a program's resolver;
- ISNs, in that a trace's numbers are relative: a server's kernel. A SYN's own is compared (`isn=`) where its
  port is not a kernel's, because then a seed has drawn it;
- the value of TCP's timestamps, whether a segment after SYN has them, the IP id, IPv6's flow label: a kernel;
- whether a segment is remarked on as a duplicate ACK, which needs data under way the other way: the load;
- what an ICMP error quotes beyond the ends (IP ids), and what an echo carries (`ping` sends its clock).

A trace does not show, and so the comparison does not see: Ethernet addresses (but ARP's answers, and the port
at which a packet came in, if it is not its source's); values of TCP options other than MSS, window scale and
SACK. All else makes a difference, a payload by its digest (`data=`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, unified_diff
from itertools import zip_longest
from pathlib import Path

from netlab.errors import CaptureError, UsageError
from netlab.plan.model import KERNEL_PORTS
from netlab.report.line import Line
from netlab.report.trace import read_trace, trace_of_capture

Flow = tuple[str, str, str]
"""One direction of a flow: protocol, source, destination."""

_QUOTED = re.compile(r"for \S+ > \S+ \S+")  # an ICMP error's remark: the ends of the packet it is about
_DNS_ID = re.compile(r"^DNS 0x[0-9a-f]{4}")
_DUPLICATE = re.compile(r"duplicate ACK \d+$")
_PORT = re.compile(r":(\d+)(?= )")
_SHOWN = 20  # differences of one direction; hundreds say no more than the first


@dataclass(frozen=True, slots=True)
class Difference:
    """Packet number `packet` of a direction, counted from 1; an empty text: that side has no such packet.

    The number is that of `here`'s packet, or of `there`'s where `here` has none.
    """

    packet: int
    here: str
    there: str

    def __str__(self) -> str:
        if not self.here:
            return f"packet {self.packet}: only there: {self.there}"
        if not self.there:
            return f"packet {self.packet}: only here: {self.here}"
        here, there = _differing_words(self.here, self.there)
        return f"packet {self.packet}: {here} here, {there} there"


@dataclass(frozen=True, slots=True)
class FlowComparison:
    """One direction: whose it is on either side (None: that side lacks it), and its packets' texts."""

    here: Flow | None
    there: Flow | None
    texts_here: tuple[str, ...]
    texts_there: tuple[str, ...]

    @property
    def title(self) -> str:
        """The direction in words; both sides' where a kernel chose another port."""
        here, there = _ends(self.here), _ends(self.there)
        return f"{here} ({there} there)" if here and there and here != there else here or there

    @property
    def same(self) -> bool:
        """Whether both sides have the same packets."""
        return self.texts_here == self.texts_there

    def differences(self) -> Iterator[Difference]:
        """Yield what differs, in order."""
        here, there = self.texts_here, self.texts_there
        # What is the same at both ends spares the matcher, whose worst case is quadratic, most of its work.
        # In long flows it skips texts that come again and again; those are held together by number instead.
        start = _common_start(here, there)
        end = _common_start(here[start:][::-1], there[start:][::-1])
        matcher = SequenceMatcher(None, here[start : len(here) - end], there[start : len(there) - end])
        for kind, low, high, low_there, high_there in matcher.get_opcodes():
            if kind == "equal":
                continue
            left = enumerate(here[start + low : start + high], start + low + 1)
            right = enumerate(there[start + low_there : start + high_there], start + low_there + 1)
            for mine, yours in zip_longest(left, right):
                difference = Difference(
                    (mine or yours)[0], mine[1] if mine else "", yours[1] if yours else ""
                )
                if difference.here != difference.there:
                    yield difference

    def unified(self) -> str:
        """Return the difference in diff's own form."""
        rows = unified_diff(
            self.texts_here, self.texts_there, _ends(self.here), _ends(self.there), lineterm=""
        )
        return "\n".join(rows)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every direction of every flow of two traces."""

    flows: tuple[FlowComparison, ...]

    @property
    def same(self) -> bool:
        """Whether the traces are the same but for what no seed decides."""
        return all(flow.same for flow in self.flows)

    def __str__(self) -> str:
        if self.same:
            packets = sum(len(flow.texts_here) for flow in self.flows)
            return f"the same {packets} packets in {len(self.flows)} directions of flows"
        return "\n".join(row for flow in self.flows if not flow.same for row in _render(flow))


def load(path: Path) -> tuple[Line, ...]:
    """Return the lines of a run's directory, of a trace.txt or of a capture.

    UsageError: there is nothing that can be read; CaptureError: a part is missing. Otherwise raises as
    `read_trace` and `trace_of_capture` do.
    """
    try:
        file = _file_of(path)
        with file.open("rb") as opened:
            is_text = opened.read(1) in (b"#", b"")
        if is_text:
            text = file.read_text(encoding="utf-8", errors="replace")
            lines = read_trace(text, str(file))
            _check_complete(any(row.startswith("# INCOMPLETE") for row in text.splitlines()), file)
            return lines
    except OSError as error:
        hint = "name a run's directory, a trace.txt or a .pcapng"
        raise UsageError(f"{path}: {error.strerror}", hint) from error
    told = trace_of_capture(file)
    _check_complete(told.truncated or told.dropped > 0, file)
    return told.lines


def _check_complete(incomplete: bool, file: Path) -> None:
    """Raise CaptureError for a part of what there was: it may seem the same, or not, by chance."""
    if incomplete:
        raise CaptureError(f"{file}: the recording is incomplete", "run the lab again")


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in ("trace.txt", "capture.pcapng"):
        if (path / name).exists():
            return path / name
    raise UsageError(f"{path}: neither trace.txt nor capture.pcapng in it", "name a run's directory")


def normalise(lines: Iterable[Line]) -> dict[Flow, list[str]]:
    """Return the packets of each direction, as text and in order; directions in order of appearance.

    What came in elsewhere than at its source's own port follows, port by port.
    """
    flows: dict[Flow, list[Line]] = {}
    for line in lines:
        flows.setdefault(line.flow, []).append(line)
    return {
        flow: [_without_chance(line).text for line in sorted(packets, key=_entrance)]
        for flow, packets in flows.items()
    }


def _entrance(line: Line) -> str:
    return next((remark for remark in line.remarks if remark.startswith("at ")), "")


def _without_chance(line: Line) -> Line:
    """Return a line that does not tell what a kernel, or a program with a port of its choice, has drawn."""
    if line.protocol == "TCP":
        line = replace(line, remarks=tuple(text for text in line.remarks if not _DUPLICATE.match(text)))
    if line.protocol.startswith("ICMP"):
        remarks = [_PORT.sub(_masked, text) if _QUOTED.fullmatch(text) else text for text in line.remarks]
    elif _is_kernels(line.source) or _is_kernels(line.destination):
        remarks = [_DNS_ID.sub("DNS", text) for text in line.remarks]
    else:
        return line
    return replace(line, remarks=tuple(remarks))


def _masked(port: re.Match[str]) -> str:
    return ":KERNEL" if int(port[1]) in KERNEL_PORTS else port[0]


def compare(here: Sequence[Line], there: Sequence[Line]) -> Comparison:
    """Compare two traces; CaptureError where one has no packets: two recordings of nothing prove nothing."""
    for lines, side in ((here, "first"), (there, "second")):
        if not lines:
            what = f"no packets were recorded in the {side} of the two traces"
            raise CaptureError(what, "run the lab again; a run without packets proves nothing")
    flows_here, flows_there = normalise(here), normalise(there)
    compared: list[FlowComparison] = []
    for mine, yours in pair_conversations(flows_here, flows_there):
        both_ways = zip(_both_ways(mine), _both_ways(yours), strict=True)
        for left, right in both_ways if mine != _reverse(mine) else [(mine, yours)]:
            in_here, in_there = tuple(flows_here.get(left, ())), tuple(flows_there.get(right, ()))
            if in_here or in_there:
                sides = left if in_here else None, right if in_there else None
                compared.append(FlowComparison(*sides, in_here, in_there))
    return Comparison(tuple(compared))


def pair_conversations(here: Mapping[Flow, object], there: Mapping[Flow, object]) -> list[tuple[Flow, Flow]]:
    """Pair the conversations of two traces, each given by the direction that appeared first.

    Those with the same ends belong together. Of the rest, in order of appearance, those that differ in the
    port of one end alone, if a kernel chose both ports (a `curl` in the lab). What is still alone is paired
    with itself.
    """
    mine, yours = _conversations(here), _conversations(there)
    alone_there = [flow for flow in yours if flow not in mine and _reverse(flow) not in mine]
    pairs = []
    for flow in mine:
        if flow in there or _reverse(flow) in there:
            pairs.append((flow, flow))
            continue
        alike = next((other for other in alone_there if _differ_in_a_kernels_port(flow, other)), None)
        if alike is not None:
            alone_there.remove(alike)
        pairs.append((flow, alike or flow))
    return pairs + [(flow, flow) for flow in alone_there]


def _conversations(flows: Iterable[Flow]) -> list[Flow]:
    seen: dict[Flow, None] = {}
    for flow in flows:
        if _reverse(flow) not in seen:
            seen[flow] = None
    return list(seen)


def _reverse(flow: Flow) -> Flow:
    protocol, source, destination = flow
    return protocol, destination, source


def _both_ways(flow: Flow) -> tuple[Flow, Flow]:
    return flow, _reverse(flow)


def _differ_in_a_kernels_port(one: Flow, other: Flow) -> bool:
    if one[0] != other[0] or one[0] not in ("TCP", "UDP"):
        return False
    differing = [(a, b) for a, b in zip(one[1:], other[1:], strict=True) if a != b]
    return len(differing) == 1 and all(
        a.rpartition(":")[0] == b.rpartition(":")[0] and _is_kernels(a) and _is_kernels(b)
        for a, b in differing
    )


def _is_kernels(end: str) -> bool:
    port = end.rpartition(":")[2]
    return port.isdecimal() and int(port) in KERNEL_PORTS


def _ends(flow: Flow | None) -> str:
    return f"{flow[1]} > {flow[2]}" if flow else ""


def _common_start(here: Sequence[str], there: Sequence[str]) -> int:
    """Return how many packets are the same at the start."""
    pairs = enumerate(zip(here, there, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(here), len(there)))


def _differing_words(here: str, there: str) -> tuple[str, str]:
    """Return the words in which two packets differ; all of them where they are of different shape."""
    left, right = here.split(), there.split()
    if len(left) != len(right):
        return f"[{here}]", f"[{there}]"
    differing = [(a, b) for a, b in zip(left, right, strict=True) if a != b] or [(here, there)]
    return " ".join(a for a, _ in differing), " ".join(b for _, b in differing)


def _render(flow: FlowComparison) -> Iterator[str]:
    if not flow.texts_here or not flow.texts_there:
        where, texts = ("here", flow.texts_here) if flow.texts_here else ("there", flow.texts_there)
        yield f"{flow.title}: only {where}: {len(texts)} packets, the first: {texts[0]}"
        return
    differences = list(flow.differences())
    yield from (f"{flow.title}: {difference}" for difference in differences[:_SHOWN])
    if len(differences) > _SHOWN:
        yield f"{flow.title}: and {len(differences) - _SHOWN} more differences"
