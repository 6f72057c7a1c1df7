"""Judge a run of lab udp by its record alone: proof.py RUN_DIRECTORY."""

import sys
from dataclasses import dataclass
from pathlib import Path

from netlab.lab.proof import judge
from netlab.lab.record import read_kernel, read_packets
from netlab.report.checksum import transport_checksum_ok
from netlab.report.dissect import dissect
from netlab.report.headers import Udp

DNS_PORT = 53
LEAST_WAIT = 900  # ms, before client asks again


@dataclass(frozen=True)
class Datagram:
    """A DNS message over UDP as its sender has sent it, at `time` in ms; `fate`: what the wire made of it.

    `sum` says whether its checksum is right; None: it has none.
    """

    time: float
    sender: str
    sum: bool | None
    data: bytes
    fate: str

    @property
    def id(self) -> bytes:
        """The message's id."""
        return self.data[:2]

    def was(self, how: str) -> bool:
        """Tell whether the wire has done that to it."""
        return f"{how} by wire" in self.fate


def read(run: Path) -> list[Datagram]:
    """Return the recorded DNS messages in order."""
    found = []
    for frame in read_packets(run):
        packet = dissect(frame.data, frame.original_length)
        udp = packet.transport
        if isinstance(udp, Udp) and DNS_PORT in (udp.source_port, udp.destination_port):
            right = transport_checksum_ok(packet)
            found.append(Datagram(frame.time_ns / 1e6, frame.interface, right, packet.payload, frame.comment))
    return found


def is_asked_again(query: Datagram, queries: list[Datagram]) -> bool:
    """Tell whether client has sent it once more, the very same, and not before it had waited."""
    copies = [one for one in queries if one.data == query.data and one.time > query.time]
    return len(copies) == 1 and copies[0].time - query.time > LEAST_WAIT


def judge_sums(queries: list[Datagram], replies: list[Datagram], counted: int) -> list[tuple[bool, str]]:
    """Judge what became of queries with the checksum right, without one, and with a wrong one."""
    right = [one for one in queries if one.sum and not one.fate]
    none = [one for one in queries if one.sum is None and not one.fate]
    wrong = [one for one in queries if one.sum is False]
    bent = [one for one in queries if one.sum is None and one.was("corrupted")]
    known = {one.id for one in queries}
    answered = {one.id for one in replies}
    strangers = [one for one in replies if one.id not in known]
    return [
        (
            bool(right) and all(one.id in answered for one in right),
            f"Every query with the right checksum that arrives is answered: {len(right)}.",
        ),
        (
            bool(none) and all(one.id in answered for one in none),
            "One without a checksum is answered, too.",
        ),
        (
            len(wrong) == counted == 1 and wrong[0].id not in answered,
            f"One with a wrong checksum is not; the kernel of dns counts {counted}.",
        ),
        (
            len(bent) == len(strangers) == 1 and bent[0].id not in answered,
            "One without a checksum is damaged, and answered with an id that client never had.",
        ),
    ]


def judge_losses(queries: list[Datagram], replies: list[Datagram]) -> list[tuple[bool, str]]:
    """Judge what became of the query that was lost, and of the query whose reply was lost."""
    lost = [one for one in queries if one.was("dropped")]
    unheard = [one for one in replies if one.was("dropped")]
    first = [next((one for one in queries if one.id == reply.id), None) for reply in unheard]
    counts = [sum(one.data == reply.data for one in replies) for reply in unheard]
    return [
        (
            len(lost) == 1
            and is_asked_again(lost[0], queries)
            and [one.time - lost[0].time > LEAST_WAIT for one in replies if one.id == lost[0].id] == [True],
            "A query is lost; nothing happens until client asks again, and is answered.",
        ),
        (
            len(unheard) == 1
            and first[0] is not None
            and is_asked_again(first[0], queries)
            and counts == [2],
            "A reply is lost; nothing happens until client asks again, and dns says the same again.",
        ),
    ]


def judge_order(queries: list[Datagram], replies: list[Datagram]) -> list[tuple[bool, str]]:
    """Judge the reply that another one overtook, and the query that arrived twice."""
    late = [at for at, one in enumerate(replies) if one.was("reordered")]
    pairs = [replies[at : at + 2] for at in late]
    asked = [[one.id for one in queries if one.id in {reply.id for reply in pair}] for pair in pairs]
    twice = [one for one in queries if one.was("duplicated")]
    echoes = [[one.data for one in replies if one.id == query.id] for query in twice]
    arrived = sum(
        1 + one.was("duplicated") for one in queries if not one.was("dropped") and one.sum is not False
    )
    return [
        (
            len(pairs) == 1 and len(asked[0]) == 2 and [one.id for one in pairs[0]] == asked[0],
            "Of two replies the first is overtaken: they arrive in another order than client has asked.",
        ),
        (
            [len(each) for each in echoes] == [2] and len(set(echoes[0])) == 1,
            "A query arrives twice, and is answered twice.",
        ),
        (
            arrived == len(replies) > 0,
            f"All in all {arrived} queries arrived and seemed intact; dns has sent {len(replies)} replies.",
        ),
    ]


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    datagrams = read(run)
    queries = [one for one in datagrams if one.sender == "client"]
    replies = [one for one in datagrams if one.sender == "dns"]
    counted = read_kernel(run)["dns"]["Udp"]["InCsumErrors"]
    return [
        *judge_sums(queries, replies, counted),
        *judge_losses(queries, replies),
        *judge_order(queries, replies),
    ]


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    sys.exit(not proved)
