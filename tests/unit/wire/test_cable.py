"""The fate of packets on a cable: the script, chance, both, and what holds whatever is asked for."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.report.checksum import ip_checksum_ok, transport_checksum_ok
from netlab.report.dissect import dissect
from netlab.topology.steps import parse_step
from netlab.topology.wires import Burst, Chance, Step, Wire
from netlab.wire.cable import LONGEST_NS, ROOM, Cable
from netlab.wire.fate import Fate, Released
from tests.unit.wire.frames import ACK, BUILDER, SYN, numbered, tcp, udp

MS = 1_000_000
UNIMPAIRED = Chance()
EVERYTHING = Chance(
    loss=0.1, burst=Burst(0.1, 0.3), delay=0.02, jitter=0.005, duplicate=0.1, reorder=0.1, corrupt=0.1
)


def scripted(*lines: str, chance: Chance = UNIMPAIRED) -> Cable:
    """Return web's cable with a script."""
    return Cable(Wire(tuple(map(step, lines)), chance, chance, seed=7))


def step(line: str) -> Step:
    """Return a step of web's."""
    read = parse_step(line, "web")
    assert isinstance(read, Step), read
    return read


def fates(cable: Cable, frames: Sequence[bytes], gap_ns: int = MS) -> list[Fate]:
    """Return the fates of frames that web sends, one after the other."""
    return [cable.fate(True, frame, number * gap_ns) for number, frame in enumerate(frames)]


# -- the script --------------------------------------------------------------------------------------------


def test_an_unimpaired_cable_passes_all() -> None:
    """At once, as it is, without a remark; what one direction suffers is nothing to the other."""
    assert Cable(Wire()).fate(True, b"?", 5) == Fate(((5, b"?"),))
    one_way = Cable(Wire(received=Chance(loss=1.0)))
    assert one_way.fate(True, tcp(), 5) == Fate(((5, tcp()),))
    assert one_way.fate(False, tcp(), 5) == Fate((), "dropped by wire", is_dropped=True)


def test_drop() -> None:
    """It does not arrive, the others do."""
    frames = [tcp(flags=SYN), tcp(b"one"), tcp(b"two"), tcp(b"three")]
    told = fates(scripted("drop 2nd tcp data from web"), frames)
    assert [fate.remark for fate in told] == ["", "", "dropped by wire", ""]
    assert [len(fate.deliveries) for fate in told] == [1, 1, 0, 1]


def test_others_packets_are_not_counted() -> None:
    """What a bridge floods is for another MAC: the script is for what is for the node, or for all."""
    ours, others, all_of_us = b"\2" * 6, b"\4" * 6, b"\xff" * 6
    cable = Cable(Wire((step("drop 2nd udp to web"),)), mac=ours)
    came = [whose + udp()[6:] for whose in (others, all_of_us, others, ours, ours)]
    assert [cable.fate(False, frame, 0).is_dropped for frame in came] == [False, False, False, True, False]


def test_delay_lets_others_overtake() -> None:
    """The one is held, those behind it go on."""
    told = fates(scripted("delay 1st udp by 200 ms"), [udp(b"a"), udp(b"b")])
    assert told[0] == Fate(((200 * MS, udp(b"a")),), "held 200 ms by wire")
    assert told[1] == Fate(((1 * MS, udp(b"b")),))


def test_duplicate() -> None:
    """Two come at the same time."""
    assert fates(scripted("duplicate 1st udp"), [udp()])[0] == Fate(((0, udp()),) * 2, "duplicated by wire")


@pytest.mark.parametrize("by", [1, 2, 5])
def test_reorder(by: int) -> None:
    """So many of its flow overtake it, however many of other flows come between; then nothing waits."""
    cable = scripted(f"reorder 1st udp by {by}")
    others = [frame for number in range(1, 7) for frame in (tcp(b"other"), numbered(number))]
    told = fates(cable, [numbered(0), *others])
    assert told[0].deliveries == ()
    assert told[0].remark == ""
    (released,) = [one for fate in told for one in fate.released]
    assert (released.number, released.frame) == (told[0].held, numbered(0))
    assert released.remark == ("reordered by wire" if by == 1 else f"reordered by wire (by {by} packets)")
    arrived = [frame for fate in told for _, frame in fate.deliveries if frame != tcp(b"other")]
    assert arrived == [
        *(numbered(number) for number in range(1, by + 1)),
        numbered(0),
        *map(numbered, range(by + 1, 7)),
    ]
    times = [time_ns for fate in told for time_ns, _ in fate.deliveries]
    assert times == sorted(times)
    assert cable.due() is None


def test_what_nobody_overtakes_goes_on_in_the_end() -> None:
    """`due` says when, `flush` returns it then and not before; a packet that is dropped overtakes nobody."""
    cable = scripted("reorder 1st udp", "drop 2nd udp")
    told = fates(cable, [numbered(0), numbered(1)])
    assert [fate.deliveries for fate in told] == [(), ()]
    assert cable.due() == LONGEST_NS
    assert cable.flush(LONGEST_NS - 1) == []
    (released,) = cable.flush(LONGEST_NS)
    assert released == Released(
        1,
        True,
        numbered(0),
        ((LONGEST_NS, numbered(0)),),
        "held 500 ms by wire (nothing overtook it)",
    )
    assert (cable.due(), cable.flush(LONGEST_NS, whole=True)) == (None, [])


def test_what_too_few_overtake() -> None:
    """It is told how many did, and how long it waited for the others."""
    cable = scripted("reorder 1st udp by 3")
    assert [fate.released for fate in fates(cable, [numbered(0), numbered(1), numbered(2)])] == [()] * 3
    (released,) = cable.flush(LONGEST_NS)
    assert released.remark == "reordered by wire (by 2 packets), held 500 ms by wire"


def test_what_is_held_back_is_changed_too() -> None:
    """It goes on as it then is, as often, and all is told."""
    frame = udp(b"x" * 9)
    told = fates(scripted("corrupt 1st", "duplicate 1st", "reorder 1st"), [frame, udp(b"y")])
    (released,) = told[1].released
    assert released.remark == "corrupted by wire (byte 42), duplicated by wire, reordered by wire"
    assert [copy for _, copy in released.deliveries] == [frame[:42] + b"y" + frame[43:]] * 2
    assert told[1].own == ((MS, udp(b"y")),)


def test_jitter_tells_how_long_it_really_is() -> None:
    """Who waits behind one with more jitter is held for longer than its own."""
    cable = Cable(Wire(sent=Chance(delay=0.02, jitter=0.02), seed=7))
    for number in range(50):
        fate = cable.fate(True, numbered(number), number * 100_000)
        hold = fate.deliveries[0][0] - number * 100_000
        assert fate.remark == f"held {round(hold / 1e6, 1):.10g} ms by wire"


def test_two_corruptions_do_not_cancel() -> None:
    """Each turns another bit; what is cut off is not hit, but what is left."""
    frame = udp(b"x" * 20)
    (told,) = fates(scripted("corrupt 1st", "corrupt each udp"), [frame])
    assert (told.deliveries[0][1][42] ^ frame[42]).bit_count() == 2
    (told,) = fates(scripted("truncate 1st to 28", "corrupt 1st"), [frame])
    assert told.remark == "cut to 28 bytes by wire, corrupted by wire (byte 41)"
    assert told.deliveries[0][1][:41] == frame[:41]


def test_what_is_under_way_is_bounded() -> None:
    """What is too much is dropped, and told; when some has arrived, there is room again."""
    cable = Cable(Wire(sent=Chance(delay=60.0), seed=7))
    frame = bytes(1 << 20)
    told = [cable.fate(True, frame, 0).is_dropped for _ in range(40)]
    assert told == [False] * (ROOM >> 20) + [True] * (40 - (ROOM >> 20))
    assert cable.fate(True, frame, 60_000 * MS).deliveries


def test_what_stays_goes_on_where_it_was() -> None:
    """A used-up script is not used again when something else changes, nor is the dice thrown anew."""
    wire = Wire((step("drop 1st udp"),))
    cable = Cable(wire)
    assert cable.fate(True, udp(), 0).is_dropped
    later = Cable(replace(wire, sent=Chance(delay=0.001)))
    assert later.go_on(cable) == (True, False)
    assert not later.fate(True, udp(), MS).is_dropped
    chance = Chance(loss=0.5)
    one = Cable(Wire(received=chance, seed=7))
    whole = [one.fate(False, udp(), 0) for _ in range(60)]
    other = Cable(Wire(received=chance, seed=7))
    parts = [other.fate(False, udp(), 0) for _ in range(30)]
    again = Cable(Wire(received=chance, sent=chance, seed=7))
    again.go_on(other)
    assert parts + [again.fate(False, udp(), 0) for _ in range(30)] == whole


def test_a_wire_that_is_taken_away_keeps_nothing() -> None:
    """Without a time, all that waits comes, with its direction."""
    cable = scripted("reorder each udp by 100", "duplicate 1st udp to web")
    cable.fate(True, numbered(0), 0)
    cable.fate(False, numbered(1), 0)
    released = cable.flush(5, whole=True)
    assert [(one.sent, [frame for _, frame in one.deliveries]) for one in released] == [
        (True, [numbered(0)]),
        (False, [numbered(1)] * 2),
    ]


@pytest.mark.parametrize(
    ("frame", "offset"),
    [
        (tcp(b"hello"), 54),
        (udp(b"hello"), 42),
        (tcp(), 34 + 15),
        (udp(), 34 + 7),
        (BUILDER.icmp(("10.0.0.1", "10.0.0.2"), 8, 0, 1, b"ping"), 42),
        (BUILDER.icmp(("10.0.0.1", "10.0.0.2"), 8, 0, 1), 34 + 7),
        (tcp(b"hello", ends=("fd00::1", "fd00::2")), 74),
    ],
)
def test_corrupt(frame: bytes, offset: int) -> None:
    """One bit is another, and the checksum no longer fits."""
    fate = fates(scripted("corrupt 1st"), [frame])[0]
    ((_, arrived),) = fate.deliveries
    assert fate.remark == f"corrupted by wire (byte {offset})"
    assert [at for at in range(len(frame)) if frame[at] != arrived[at]] == [offset]
    assert (frame[offset] ^ arrived[offset]).bit_count() == 1
    assert transport_checksum_ok(dissect(frame, len(frame))) is True
    assert transport_checksum_ok(dissect(arrived, len(arrived))) is False


def test_truncate() -> None:
    """The IP packet has so many bytes left; one that has no more is left alone."""
    long, short = udp(b"x" * 100), udp(b"x" * 20)
    told = fates(scripted("truncate each udp to 60"), [long, short])
    assert told[0] == Fate(((0, long[:74]),), "cut to 60 bytes by wire")
    assert told[1].remark == ""


def test_several_steps_for_one_packet() -> None:
    """All are done, and all are told."""
    frame = udp(b"x" * 100)
    told = fates(
        scripted("delay each udp by 5 ms", "corrupt 1st", "truncate 1st to 90", "duplicate 1st"), [frame]
    )[0]
    assert told.remark == (
        "corrupted by wire (byte 42), cut to 90 bytes by wire, duplicated by wire, held 5 ms by wire"
    )
    assert {(time_ns, len(arrived)) for time_ns, arrived in told.deliveries} == {(5 * MS, 104)}


def test_a_script_wins_over_chance() -> None:
    """What a step is for is spared by chance, but not what every packet has: delay and rate."""
    cable = scripted("duplicate 2nd udp", chance=Chance(loss=1.0, delay=0.02, rate=8_000_000))
    told = fates(cable, [udp(), udp(), udp()])
    assert [fate.remark for fate in told] == [
        "dropped by wire",
        "duplicated by wire, held 20 ms by wire",
        "dropped by wire",
    ]
    assert told[1].deliveries[0][0] == MS + 20 * MS + len(udp()) * 1000


# -- chance ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0123, "12.3 ms"), (0.00005, "50 us"), (1.5, "1500 ms"), (59.9999, "59999.9 ms")]
)
def test_a_constant_delay_is_told(seconds: float, words: str) -> None:
    """Each packet is held as long."""
    cable = Cable(Wire(sent=Chance(delay=seconds)))
    told = cable.fate(True, tcp(), 0)
    assert told == Fate(((round(seconds * 1e9), tcp()),), f"held {words} by wire")


@pytest.mark.parametrize("frame", [b"", b"short", bytes(14)])
def test_a_frame_without_content_is_not_damaged(frame: bytes) -> None:
    """There is nothing behind its header, or not even that."""
    cable = scripted("corrupt each", "truncate each to 5")
    assert cable.fate(True, frame, 0) == Fate(((0, frame),))
    by_chance = Cable(Wire(sent=Chance(corrupt=1.0, loss=0.1), seed=7))
    assert by_chance.fate(True, frame, 0).remark in ("", "dropped by wire")


def test_a_queue_that_is_full() -> None:
    """What does not fit is dropped, and that is told as such; time in the queue is not."""
    cable = Cable(Wire(sent=Chance(rate=8_000_000), seed=7))
    told = [cable.fate(True, udp(b"x" * 958), 0) for _ in range(100)]
    assert {fate.remark for fate in told[:60]} == {""}
    assert {fate.remark for fate in told[70:]} == {"dropped by wire (queue full)"}


def test_corruption_by_chance_is_one_bit() -> None:
    """It is told where; a checksum of IPv4 or of UDP no longer fits, or the packet cannot be read."""
    cable = Cable(Wire(sent=Chance(corrupt=1.0), seed=7))
    for number in range(200):
        frame = udp(b"x" * 40 + number.to_bytes(4, "big"))
        fate = cable.fate(True, frame, 0)
        ((_, arrived),) = fate.deliveries
        (offset,) = [at for at in range(len(frame)) if frame[at] != arrived[at]]
        assert fate.remark == f"corrupted by wire (byte {offset})"
        assert (frame[offset] ^ arrived[offset]).bit_count() == 1
        packet = dissect(arrived, len(arrived))
        assert (ip_checksum_ok(packet), transport_checksum_ok(packet)) != (True, True)


def flow_of(number: int) -> bytes:
    """Return the next packet of one of three flows."""
    return (tcp(b"data"), tcp(b"data", ports=(50000, 81)), udp(b"data"))[number]


@given(st.lists(st.integers(0, 2), max_size=40), st.randoms(use_true_random=False))
def test_how_flows_interleave_changes_no_fate(order: list[int], shuffled: random.Random) -> None:
    """A law: each packet's remark depends on its own flow alone, also among those held back."""
    told: list[list[list[str]]] = []
    for _ in range(2):
        cable = Cable(Wire(sent=EVERYTHING, seed=7))
        flows: list[list[str]] = [[], [], []]
        for time, number in enumerate(order):
            fate = cable.fate(True, flow_of(number), time * MS)
            # How long jitter holds it, those before it on the line decide as well.
            flows[number].append(f"{fate.held > 0} " + re.sub(r"held [\d.]+ .s", "held", fate.remark))
        told.append(flows)
        shuffled.shuffle(order)
    assert told[0] == told[1]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60), st.integers(0, 2**64 - 1))
def test_nothing_is_lost_that_is_not_dropped(packets: list[tuple[bool, bool]], seed: int) -> None:
    """A law: what arrives is what was sent, less what was dropped, and once more what was duplicated."""
    chance = Chance(loss=0.2, delay=0.01, jitter=0.01, duplicate=0.3, reorder=0.3, rate=10_000_000)
    cable = Cable(Wire(sent=chance, received=chance, seed=seed))
    expected: Counter[tuple[bool, bytes]] = Counter()
    arrived: Counter[tuple[bool, bytes]] = Counter()
    released: list[Released] = []
    for number, (sent, is_tcp) in enumerate(packets):
        frame = tcp(number.to_bytes(4, "big")) if is_tcp else numbered(number)
        fate = cable.fate(sent, frame, number * MS)
        arrived.update((sent, data) for _, data in fate.deliveries)
        expected[sent, frame] += 0 if fate.held or fate.is_dropped else 1 + ("duplicated" in fate.remark)
        released += fate.released
        assert all(time_ns >= number * MS for time_ns, _ in fate.deliveries)
    rest = cable.flush(len(packets) * MS, whole=True)
    arrived.update((one.sent, data) for one in rest for _, data in one.deliveries)
    for one in [*released, *rest]:
        expected[one.sent, one.frame] += 1 + ("duplicated" in one.remark)
    assert arrived == +expected


@given(st.integers(0, 2**64 - 1))
def test_without_loss_nothing_is_lost(seed: int) -> None:
    """A law: whatever else is left to chance."""
    cable = Cable(Wire(sent=Chance(delay=0.01, jitter=0.01, duplicate=0.5, corrupt=0.5), seed=seed))
    assert all(cable.fate(True, tcp(b"x"), number).deliveries for number in range(100))


def test_the_same_seed_is_the_same_fate() -> None:
    """Two cables of one seed agree in everything; one of another seed does not."""
    frames = [tcp(b"x", flags=ACK)] * 300
    one, same, other = (fates(Cable(Wire(sent=EVERYTHING, seed=seed)), frames) for seed in (7, 7, 8))
    assert one == same != other
