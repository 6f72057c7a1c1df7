"""Connections: relative numbers whatever the ISNs are, and what a segment is to those before it."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from netlab.report.connections import Connections, Segment
from netlab.report.headers import ACK, FIN, RST, SYN, IPv4, Tcp, TcpOption

ISN = st.integers(0, 2**32 - 1)


class Talk:
    """A connection told segment by segment, in relative numbers; `observed` is what was made of it."""

    def __init__(self, isns: tuple[int, int] = (1000, 2000), port: int = 51515) -> None:
        self.isns = isns
        self.port = port
        self.connections = Connections()

    def says(
        self,
        who: int,
        flags: int,
        seq: int,
        ack: int = 0,
        length: int = 0,
        *,
        window: int = 8192,
        sack: bytes = b"",
        ttl: int = 64,
    ) -> Segment:
        """Send from the client (0) or the server (1)."""
        ends = [("10.0.0.10", self.port), ("10.0.0.80", 80)]
        (source, sport), (destination, dport) = ends if who == 0 else reversed(ends)
        ip = IPv4(14, 20, 0, 40 + length, 1, 2, 0, ttl, 6, 0, source, destination)
        seq, ack = (self.isns[who] + seq) % 2**32, (self.isns[1 - who] + ack) % 2**32
        options = (TcpOption(5, sack),) if sack else ()
        tcp = Tcp(34, 20, sport, dport, seq, ack if flags & ACK else 0, flags, window, 0, 0, options)
        return self.connections.observe(ip, tcp, length)

    def shakes_hands(self) -> list[Segment]:
        """Open the connection."""
        return [self.says(0, SYN, 0), self.says(1, SYN | ACK, 0, 1), self.says(0, ACK, 1, 1)]


@given(ISN, ISN)
def test_numbers_are_the_same_whatever_the_isns_are(ours: int, theirs: int) -> None:
    """A law: the ISNs, and where the 32 bits wrap, leave no mark on what is told."""

    def told(isns: tuple[int, int]) -> list[Segment]:
        talk = Talk(isns)
        left, right = ((isns[1] + n) % 2**32 for n in (101, 201))
        return [
            *talk.shakes_hands(),
            talk.says(1, ACK, 101, 1, 100),
            talk.says(0, ACK, 1, 1, sack=struct.pack("!II", left, right)),
            talk.says(1, ACK, 1, 1, 100),
            talk.says(1, FIN | ACK, 201, 1),
            talk.says(0, RST, 1),
        ]

    segments = told((ours, theirs))
    assert segments == told((0, 0))
    assert [segment.seq for segment in segments] == [0, 0, 1, 101, 1, 1, 201, 1]
    assert [segment.ack for segment in segments] == [None, 1, 1, 1, 1, 1, 1, None]
    assert segments[4].sacks == ((101, 201),)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=20))
def test_remarks_follow_from_the_bytes_sent_before(segments: list[tuple[int, int]]) -> None:
    """A law, against a set of every byte sent: all sent before, some, none but later ones, or a gap."""
    talk = Talk()
    talk.shakes_hands()
    sent: set[int] = set()
    for start, length in segments:
        remarks = talk.says(0, ACK, 1 + start, 1, length).remarks
        mine, highest = set(range(start, start + length)), max(sent, default=-1)
        if mine <= sent:
            expected = ["retransmission"]
        elif mine & sent:
            expected = ["partial retransmission"]
        elif start <= highest:
            expected = ["out of order"]
        else:
            expected = [f"{start - highest - 1} bytes missing before"] * (start > highest + 1)
        # A segment that starts where the last one ended follows it, whatever else is missing.
        assert list(remarks) == expected
        sent |= mine


def test_numbers_grow_past_four_gibibytes() -> None:
    """Long transfers are told in numbers that go on growing."""
    talk = Talk((2**32 - 1, 0))
    talk.shakes_hands()
    step = 2**30
    seqs = [talk.says(0, ACK, 1 + number * step, 1, step).seq for number in range(6)]
    assert seqs == [1 + number * step for number in range(6)]


def test_a_repeated_syn_and_fin_are_retransmissions() -> None:
    """SYN and FIN take a sequence number each, so repeating them repeats something."""
    talk = Talk()
    assert [talk.says(0, SYN, 0).remarks, talk.says(0, SYN, 0).remarks] == [(), ("retransmission",)]
    talk.says(1, SYN | ACK, 0, 1)
    assert [talk.says(0, FIN | ACK, 1, 1).remarks for _ in range(2)] == [(), ("retransmission",)]


def test_a_new_syn_starts_anew() -> None:
    """The same ports with other ISNs, or with the same ones after an end, are another connection."""
    talk = Talk()
    talk.shakes_hands()
    talk.says(0, ACK, 1, 1, 500)
    talk.isns = (77_000, 88_000)
    assert [(s.seq, s.ack, s.remarks) for s in talk.shakes_hands()] == [(0, None, ()), (0, 1, ()), (1, 1, ())]
    talk.says(0, RST, 1)
    assert [s.remarks for s in talk.shakes_hands()] == [(), (), ()]


def test_duplicate_acks_are_counted() -> None:
    """Only an ACK that repeats number and window while data is outstanding is one (RFC 5681, section 2)."""
    talk = Talk()
    talk.shakes_hands()
    quiet = talk.says(0, ACK, 1, 1).remarks
    talk.says(1, ACK, 101, 1, 100)
    counted = [talk.says(0, ACK, 1, 1).remarks for _ in range(2)]
    update = talk.says(0, ACK, 1, 1, window=9000).remarks
    data = talk.says(0, ACK, 1, 1, 10, window=9000).remarks
    again = talk.says(0, ACK, 11, 201, window=9000).remarks
    assert counted == [("duplicate ACK 1",), ("duplicate ACK 2",)]
    assert (quiet, update, data, again) == ((), (), (), ())


def test_a_zero_window_is_told_but_not_of_rst() -> None:
    """A receiver that takes no more is remarkable; a RST's window means nothing."""
    talk = Talk()
    talk.shakes_hands()
    told = talk.says(0, ACK, 1, 1, window=0), talk.says(0, RST | ACK, 1, 1, window=0)
    assert [segment.remarks for segment in told] == [("zero window",), ()]


def test_without_a_syn_numbers_count_from_the_first_seen() -> None:
    """A recording that began in the middle says so, once in each connection."""
    talk = Talk()
    first, second = talk.says(0, ACK, 5000, 7000, 10), talk.says(1, ACK, 7000, 5010, 20)
    assert (first.seq, first.ack, first.remarks) == (0, 0, ("no SYN seen",))
    assert (second.seq, second.ack, second.remarks) == (0, 10, ())


def test_a_closed_port_answers_with_zero() -> None:
    """RFC 9293, section 3.5.2: the RST to a SYN has sequence number 0, and nothing is amiss about that."""
    talk = Talk((1000, 0))
    talk.says(0, SYN, 0)
    assert talk.says(1, RST | ACK, 0, 1) == Segment(0, 1, (), ())


def test_what_routers_pass_on_is_no_retransmission() -> None:
    """The same segment with less of a TTL is what it was before; with as much it is sent again."""
    talk = Talk()
    talk.shakes_hands()
    sent = [talk.says(0, ACK, 1, 1, 100, ttl=ttl) for ttl in (64, 63, 62)]
    assert [segment.remarks for segment in sent] == [(), (), ()]
    again = [talk.says(0, ACK, 1, 1, 100, ttl=ttl) for ttl in (64, 63)]
    assert [segment.remarks for segment in again] == [("retransmission",), ("retransmission",)]
