"""Comparing traces: what no seed decides makes no difference, and everything else does."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import InputError, NetlabError, UsageError
from netlab.report.compare import compare, load, normalise, pair_conversations
from netlab.report.frame import Frame
from netlab.report.line import Line
from netlab.report.pcapng import Writer
from netlab.report.trace import Trace, format_trace, trace


def line(ends: str, text: str, protocol: str = "TCP", time_us: int = 0) -> Line:
    """Return a line from a short form: `client:1 > web:80` and its fields."""
    source, _, destination = ends.partition(" > ")
    return Line(
        time_us, source, destination, protocol, "ACK" if protocol == "TCP" else "", tuple(text.split())
    )


TO_WEB, TO_CLIENT = "client:51515 > web:80", "web:80 > client:51515"
TALK = [
    line(ends, f"seq={seq} ack={ack} win=8192 len=0")
    for number in range(8)
    for ends, seq, ack in ((TO_WEB, 1, 64 * number + 1), (TO_CLIENT, 64 * number + 1, 1))
]
LINES = st.lists(
    st.builds(line, st.sampled_from([TO_WEB, TO_CLIENT, "a > b"]), st.sampled_from(["len=1", "len=2"]))
)


@given(LINES.filter(bool), st.randoms(use_true_random=False))
def test_times_and_interleaving_make_no_difference(lines: list[Line], chance: random.Random) -> None:
    """A law: any merge of the same directions, at any times, is the same."""
    queues = [[each for each in lines if each.flow == flow] for flow in normalise(lines)]
    merged = []
    while queues := [queue for queue in queues if queue]:
        merged.append(replace(chance.choice(queues).pop(0), time_us=chance.randrange(10**9)))
    assert compare(lines, merged).same
    assert compare(lines, merged).flows


def test_another_fate_makes_one() -> None:
    """The same packets, one of which a wire dropped in one of the runs."""
    there = [*TALK[:3], replace(TALK[3], remarks=("dropped by wire",)), *TALK[4:]]
    assert str(compare(TALK, there)) == (
        "web:80 > client:51515: packet 2: [ACK  seq=65 ack=1 win=8192 len=0] here,"
        " [ACK  seq=65 ack=1 win=8192 len=0  dropped by wire] there"
    )


def test_a_remark_that_interleaving_makes_is_none() -> None:
    """Whether an ACK is a duplicate depends on what the other direction had under way when it was seen."""
    there = [replace(TALK[0], remarks=("duplicate ACK 2",)), *TALK[1:]]
    assert compare(TALK, there).same


@given(LINES.filter(bool), LINES.filter(bool))
def test_everything_else_makes_one(here: list[Line], there: list[Line]) -> None:
    """A law: the comparison calls the same what normalises to the same, and shows a difference otherwise."""
    comparison = compare(here, there)
    assert comparison.same == (normalise(here) == normalise(there))
    assert comparison.same == (not any(list(flow.differences()) for flow in comparison.flows))
    assert sum(len(flow.texts_here) for flow in comparison.flows) == len(here)
    assert sum(len(flow.texts_there) for flow in comparison.flows) == len(there)


def test_a_changed_packet_is_told_by_the_words_that_differ() -> None:
    """Direction, the packet's number in it, and what stands on either side."""
    changed = [replace(each, fields=("seq=1", "ack=9", "win=8192", "len=0")) if n == 12 else each
               for n, each in enumerate(TALK)]  # fmt: skip
    assert str(compare(TALK, changed)) == "client:51515 > web:80: packet 7: ack=385 here, ack=9 there"


def test_a_missing_packet_does_not_make_the_rest_differ() -> None:
    """What follows a missing packet is held against its own counterpart."""
    without = TALK[:6] + TALK[7:]
    missing = "only here: ACK  seq=1 ack=193 win=8192 len=0"
    assert str(compare(TALK, without)) == f"client:51515 > web:80: packet 4: {missing}"
    assert (
        str(compare(without, TALK)) == f"client:51515 > web:80: packet 4: {missing.replace('here', 'there')}"
    )


def test_a_packet_of_another_shape_is_shown_whole() -> None:
    """Words are held against each other only where there are as many."""
    more = [*TALK[:-1], replace(TALK[-1], remarks=("bad checksum (TCP)",))]
    told = str(compare(TALK, more))
    assert told.endswith("[ACK  seq=449 ack=1 win=8192 len=0  bad checksum (TCP)] there")


def test_a_flow_that_one_side_lacks() -> None:
    """It is told once, with how much of it there is."""
    arp = line("client > broadcast", "who-has web tell client", "ARP")
    told = str(compare([arp, *TALK], TALK))
    assert told == "client > broadcast: only here: 1 packets, the first: who-has web tell client"


def test_many_differences_are_cut() -> None:
    """Hundreds of lines say no more than the first twenty."""
    other = [replace(each, fields=("len=9",)) for each in TALK * 5]
    rows = str(compare(TALK * 5, other)).splitlines()
    assert len(rows) == 2 * 21
    assert rows[20] == "client:51515 > web:80: and 20 more differences"


def test_diffs_own_form() -> None:
    """The unified difference is diff's, with the directions as its files."""
    flow = compare(TALK, TALK[2:]).flows[0]
    rows = flow.unified().splitlines()
    assert rows[:2] == ["--- client:51515 > web:80", "+++ client:51515 > web:80"]
    assert rows[3] == "-ACK  seq=1 ack=1 win=8192 len=0"


def test_a_port_that_the_kernel_chose_makes_no_difference() -> None:
    """Two curls in the lab, from other ports in each run, are paired in order; both directions follow."""

    def curls(*ports: int) -> list[Line]:
        ends = ((f"client:{port} > web:80", f"web:80 > client:{port}") for port in ports)
        return [line(way, f"len={n}") for n, both in enumerate(ends) for way in both]

    assert compare(curls(40000, 49151), curls(33000, 32768)).same
    assert compare(curls(40000, 49151), curls(49151, 32768)).same is False
    mixed = compare(curls(40000), [*curls(33000), line("client:33000 > web:80", "len=7")])
    assert (
        str(mixed) == "client:40000 > web:80 (client:33000 > web:80 there): packet 2: only there: ACK  len=7"
    )


def test_what_differs_in_more_than_one_port_is_not_paired() -> None:
    """Another host, another service or another protocol is another flow."""
    mine = ("TCP", "client:40001", "web:80")
    for yours in [
        ("TCP", "client:40002", "web:81"),
        ("TCP", "dns:40001", "web:80"),
        ("UDP", "client:40002", "web:80"),
    ]:
        assert pair_conversations({mine: 0}, {yours: 0}) == [(mine, mine), (yours, yours)]


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_a_port_that_a_seed_chose_makes_a_difference(one: int, other: int) -> None:
    """A law: ports that differ are as good as the same if a kernel can have chosen both, only then."""
    here, there = ([line(f"client:{port} > web:80", "len=1")] for port in (one, other))
    kernels = {one, other} <= set(range(32768, 49152))
    assert compare(here, there).same == (one == other or kernels)


def test_a_kernels_port_in_an_icmp_error_makes_no_difference() -> None:
    """The error names the packet that it is about; a seed's port there is compared."""

    def errors(port: int, to: int = 81) -> list[Line]:
        error = line("web > client", "port-unreachable len=36", "ICMP")
        return [replace(error, remarks=(f"for client:{port} > web:{to} UDP",))]

    assert compare(errors(40000), errors(40001)).same
    assert not compare(errors(40000, 81), errors(40001, 82)).same
    assert not compare(errors(50000), errors(50001)).same


def test_a_resolvers_id_makes_no_difference(wire: Any) -> None:
    """From a kernel's port a DNS id is a program's own; from a seed's it is compared. Over TCP too."""

    def asked(port: int, number: int, name: str, *, tcp: bool) -> list[Line]:
        message = dns.message.make_query(name, "A", id=number).to_wire()
        if tcp:
            message = len(message).to_bytes(2) + message
            frame = wire.tcp(wire.request, (port, 53), (1, 1), 0x18, message)
        else:
            frame = wire.udp(wire.request, (port, 53), message)
        return list(trace([Frame(0, "client", frame, len(frame))], {wire.client: "client"}))

    for tcp in (False, True):
        first = asked(40000, 1, "www.lab.test.", tcp=tcp)
        assert compare(first, asked(40001, 2, "www.lab.test.", tcp=tcp)).same
        assert not compare(first, asked(40000, 1, "web.lab.test.", tcp=tcp)).same
        seeded = [asked(50000, number, "www.lab.test.", tcp=tcp) for number in (1, 2)]
        assert not compare(*seeded).same


def spoiled(wire: Any, what: str) -> tuple[bytes, str]:
    """Return a query's frame, or a SYN's, that differs in one respect, and the port where it came in."""
    query = dns.message.make_query("www.lab.test.", "A", id=7)
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.AA if what != "AA flag" else 0
    ttl = 61 if what == "DNS TTL" else 60
    answer.answer = [dns.rrset.from_text("www.lab.test.", ttl, "IN", "A", "10.0.0.80")]
    port = 50001 if what == "source port" else 50000
    if what in ("ISN", "SYN"):
        return wire.tcp(wire.request, (port, 80), (1 if what == "ISN" else 0, 0), 2), "client"
    frame = bytearray(wire.udp(wire.request, (port, 53), answer.to_wire()))
    if what == "TTL":
        frame[22] -= 1
        frame[24] += 1  # the checksum, made right again
    return bytes(frame), "web" if what == "ingress port" else "client"


@pytest.mark.parametrize(
    ("usual", "what"),
    [("SYN", "ISN"), *(("query", w) for w in ("DNS TTL", "AA flag", "source port", "TTL", "ingress port"))],
)
def test_no_part_of_a_packet_goes_unseen(wire: Any, usual: str, what: str) -> None:
    """From frame to comparison: one respect in which a packet differs is a difference, and is shown."""
    told = []
    for each in (usual, usual, what):
        frame, port = spoiled(wire, each)
        told.append(
            tuple(trace([Frame(0, port, frame, len(frame))], {wire.client: "client", wire.web: "web"}))
        )
        assert "bad" not in told[-1][0].text
    assert compare(told[0], told[1]).same
    assert not compare(told[0], told[2]).same
    assert str(compare(told[0], told[2]))


def test_nothing_recorded_is_not_the_same() -> None:
    """Two empty traces prove nothing, so comparing them is an error."""
    for here, there in (([], []), ([], TALK), (TALK, [])):
        with pytest.raises(NetlabError, match="no packets were recorded"):
            compare(here, there)


def test_a_comparison_without_difference_says_of_what() -> None:
    """The same, and how much of it."""
    assert str(compare(TALK, TALK)) == "the same 16 packets in 2 directions of flows"


def test_ten_thousand_packets_that_differ_are_compared_in_time() -> None:
    """Long flows of the same few texts, the worst case of a matcher, take no minutes."""
    long = [line(TO_WEB, "len=100")] * 10_000
    other = [line(TO_WEB, "len=1"), *long[1:-1], line(TO_WEB, "len=2")]
    assert len(list(compare(long, other).flows[0].differences())) == 2


def test_load_takes_a_run_a_trace_or_a_capture(tmp_path: Path) -> None:
    """A directory's trace, or its capture where there is no trace yet; either file by itself."""
    with (tmp_path / "capture.pcapng").open("wb") as file:
        writer = Writer(file)
        writer.packet(writer.add_interface("lan"), 0, bytes(60))
        writer.finish(0, received=1, dropped=0)
    from_capture = load(tmp_path)
    assert [each.protocol for each in from_capture] == ["LLC"]
    assert load(tmp_path / "capture.pcapng") == from_capture
    (tmp_path / "trace.txt").write_text(format_trace(Trace(tuple(TALK))))
    assert load(tmp_path) == load(tmp_path / "trace.txt") == tuple(TALK)


def test_load_says_what_it_cannot_take(tmp_path: Path) -> None:
    """No such path, a directory of something else, an empty file, another kind of file."""
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "none")
    with pytest.raises(UsageError, match=r"neither trace\.txt nor capture\.pcapng"):
        load(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="not a trace"):
        load(tmp_path / "empty")
    (tmp_path / "other").write_text("hello")
    with pytest.raises(NetlabError, match="not a pcapng file"):
        load(tmp_path / "other")
