"""SEGMENT ARRIVES: RFC 9293, section 3.10.7, step by step, with RFC 5961 and RFC 7323 where they come in.

The functions are the RFC's own paragraphs, in its order; each returns whether the segment is done with.
"""

from __future__ import annotations

from dataclasses import replace

from netlab.tcp.block import Block, Failure, Timer
from netlab.tcp.receive import Receiver
from netlab.tcp.segment import ACK, FIN, RST, SYN, Segment
from netlab.tcp.sequence import unwrap
from netlab.tcp.states import TAKES_TEXT, Event, State

_OUTDATED = 24 * 24 * 3600.0  # seconds after which TS.Recent says nothing more (RFC 7323, section 5.5)


def segment_arrives(block: Block, segment: Segment, now: float) -> None:
    """Let a segment arrive that is whole, and is for this connection's ports."""
    if block.state is State.CLOSED:
        block.reject(segment)
    elif block.state is State.LISTEN:
        _in_listen(block, segment, now)
    elif block.state is State.SYN_SENT:
        _in_syn_sent(block, segment, now)
    else:
        _otherwise(block, segment, now)
    block.output(now)


# -- 3.10.7.2: LISTEN ------------------------------------------------------------------------------


def _in_listen(block: Block, segment: Segment, now: float) -> None:
    if segment.flags & RST:
        return
    if segment.flags & ACK:
        block.reject(segment)
        return
    if not segment.flags & SYN:
        return
    block.remote_port = segment.source_port
    block.begin_receiving(segment, now)
    if segment.data or segment.flags & FIN:
        block.postponed = segment
    block.move(Event.SYN, now)
    block.sender.open(now)


# -- 3.10.7.3: SYN-SENT ----------------------------------------------------------------------------


def _in_syn_sent(block: Block, segment: Segment, now: float) -> None:
    sender, ack = block.sender, block.ack_of(segment)
    has_ack = bool(segment.flags & ACK)
    if has_ack and not sender.una < ack <= sender.nxt:  # first: the ACK bit
        block.reject(segment)
        return
    if segment.flags & RST:  # second; without an ACK of our SYN it proves nothing (RFC 5961, section 3.2)
        if has_ack:
            block.end(Failure.REFUSED, now)
        return
    if not segment.flags & SYN:  # fourth: the SYN bit
        return
    block.begin_receiving(segment, now)
    assert block.receiver is not None
    if not has_ack:
        block.move(Event.SYN, now)
        sender.repair = sender.queue[0]  # our SYN again, now with an ACK of theirs
        if segment.data or segment.flags & FIN:
            block.postponed = segment
        return
    _progress(block, segment, ack, now)
    block.move(Event.BOTH_SYNS, now)
    block.established()
    block.receiver.ack_is_due = True
    # The text begins after the SYN; "continue processing at the sixth step".
    _text_and_fin(block, segment, block.receiver.nxt, now)


# -- 3.10.7.4: all other states --------------------------------------------------------------------


def _otherwise(block: Block, segment: Segment, now: float) -> None:
    receiver = block.receiver
    assert receiver is not None, "a SYN has come in every other state"
    seq = block.seq_of(segment)
    if _is_without_timestamp(block, segment):
        return
    fitting = _check_sequence(block, receiver, segment, seq, now)
    if fitting is None:
        return
    if _check_reset(block, receiver, fitting, seq, now):
        return
    if _check_syn(block, fitting, now):
        return
    if _check_ack(block, fitting, seq, now):
        return
    _text_and_fin(block, fitting, seq, now)


def _is_without_timestamp(block: Block, segment: Segment) -> bool:
    """RFC 7323, section 3.2: where timestamps were agreed upon, a segment without one SHOULD be dropped."""
    return block.timestamps and segment.options.timestamps is None and not segment.flags & RST


def _check_sequence(
    block: Block, receiver: Receiver, segment: Segment, seq: int, now: float
) -> Segment | None:
    """First: the sequence number, and PAWS before it (RFC 7323, section 5.3); None: not acceptable."""
    if _is_old_duplicate(block, receiver, segment, seq, now):
        block.send_ack(now)
        return None
    if receiver.accepts(seq, segment.length):
        return segment
    if receiver.window == 0 and seq == receiver.nxt:
        # Nothing fits a closed window, but what the ACK, URG and RST bits say is still heard.
        receiver.ack_is_due = True
        return replace(segment, data=b"", flags=segment.flags & ~FIN)
    if not segment.flags & RST:
        if block.state is State.TIME_WAIT and segment.flags & FIN:
            block.wait_2msl(now)
        block.send_ack(now)
    return None


def _is_old_duplicate(block: Block, receiver: Receiver, segment: Segment, seq: int, now: float) -> bool:
    """PAWS, and the upkeep of TS.Recent: R1 to R3 of RFC 7323, section 5.3."""
    if not block.timestamps or segment.options.timestamps is None:
        return False
    value = unwrap(segment.options.timestamps[0], block.recent)
    is_outdated = now - block.recent_at > _OUTDATED
    if value < block.recent and not is_outdated and not segment.flags & RST:
        return True
    if seq <= receiver.acked and receiver.accepts(seq, segment.length):
        block.recent, block.recent_at = value, now
    return False


def _check_reset(block: Block, receiver: Receiver, segment: Segment, seq: int, now: float) -> bool:
    """Second: the RST bit. Only the very next number resets; others are challenged (RFC 5961, section 3)."""
    if not segment.flags & RST:
        return False
    if seq != receiver.nxt:
        block.challenge(now)
    elif block.state is State.SYN_RECEIVED and block.passive:
        block.listen_again(now)
    elif block.state is State.SYN_RECEIVED:
        block.end(Failure.REFUSED, now)
    elif block.state in (State.CLOSING, State.LAST_ACK, State.TIME_WAIT):
        block.move(Event.END, now)  # both sides have said all that they had to say
    else:
        block.end(Failure.RESET, now)
    return True


def _check_syn(block: Block, segment: Segment, now: float) -> bool:
    """Fourth: the SYN bit. Who sends it in an open connection must prove it (RFC 5961, section 4)."""
    if not segment.flags & SYN:
        return False
    if block.state is State.SYN_RECEIVED and block.passive:
        block.listen_again(now)
    else:
        block.challenge(now)
    return True


def _check_ack(block: Block, segment: Segment, seq: int, now: float) -> bool:
    """Fifth: the ACK field."""
    if not segment.flags & ACK:
        return True
    sender, ack = block.sender, block.ack_of(segment)
    if block.state is State.SYN_RECEIVED:
        if not sender.una < ack <= sender.nxt:
            block.reject(segment)
            return True
        block.move(Event.SYN_ACKED, now)
        _progress(block, segment, ack, now)
        block.established()
        sender.take_window(segment.window << block.peer_scale, seq, ack)
        _after_handshake(block, now)
    elif _is_beyond(block, ack):
        block.challenge(now)
        return True
    else:
        _acknowledge(block, segment, seq, ack, now)
    _after_our_fin(block, now)
    return block.state is State.CLOSED


def _is_beyond(block: Block, ack: int) -> bool:
    """Tell whether an ACK is of what was never sent, or too old to be believed (RFC 5961, section 5.2)."""
    sender = block.sender
    return ack > sender.nxt or ack < sender.una - sender.largest_window


def _acknowledge(block: Block, segment: Segment, seq: int, ack: int, now: float) -> None:
    """Take an acceptable ACK, new, duplicate or old, and the window that it tells of."""
    sender = block.sender
    window = segment.window << block.peer_scale
    if block.sack and segment.options.sack:
        sender.take_sack((unwrap(a, sender.una), unwrap(b, sender.una)) for a, b in segment.options.sack)
    # RFC 5681, section 2: what makes a duplicate ACK.
    is_duplicate = (
        ack == sender.una and sender.queue and segment.length == 0 and window == sender.window
        and window > 0
    )  # fmt: skip
    if ack > sender.una:
        acked = _progress(block, segment, ack, now)
        sender.on_progress(acked)
    elif is_duplicate:
        sender.on_duplicate()
    if ack >= sender.una:
        _take_window(block, window, seq, ack, now)


def _take_window(block: Block, window: int, seq: int, ack: int, now: float) -> None:
    sender = block.sender
    before = sender.window
    if sender.take_window(window, seq, ack):
        sender.rto.forget_backing_off()
        block.timers.pop(Timer.RETRANSMISSION, None)
    if sender.window != before:
        block.timers.pop(Timer.PERSIST, None)
    if sender.window == 0 and Timer.USER in block.timers:
        # A peer that answers probes is alive, however long it takes (RFC 9293, section 3.8.6.1).
        block.timers[Timer.USER] = now + block.settings.user_timeout


def _progress(block: Block, segment: Segment, ack: int, now: float) -> int:
    """Move SND.UNA, measure the round trip, restart the timers; return how many numbers were acknowledged."""
    sender = block.sender
    progress = sender.acknowledge(ack, now)
    round_trip = progress.round_trip
    if block.timestamps and segment.options.timestamps is not None and round_trip is None:
        # TSecr tells which sending was answered, of a segment that was sent twice (RFC 7323, section 4).
        clock = block.clock.value(now)
        round_trip = max(0, clock - unwrap(segment.options.timestamps[1], clock)) / 1000
    if round_trip is not None:
        sender.rto.sample(round_trip)
    block.timers.pop(Timer.RETRANSMISSION, None)  # RFC 6298, section 5.3
    block.timers.pop(Timer.USER, None)
    return progress.acked


def _after_handshake(block: Block, now: float) -> None:
    """Do what had to wait until a passive or simultaneous open was complete."""
    segment, block.postponed = block.postponed, None
    if segment is not None:
        _text_and_fin(block, segment, block.seq_of(segment), now)
    if block.close_is_pending:
        block.close_is_pending = False
        block.sender.close()
        block.move(Event.CLOSE, now)


def _after_our_fin(block: Block, now: float) -> None:
    """Fifth, in the closing states: see whether our FIN is acknowledged."""
    closing = (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)
    if block.state in closing and block.sender.fin_is_acked:
        block.move(Event.FIN_ACKED, now)


def _text_and_fin(block: Block, segment: Segment, seq: int, now: float) -> None:
    """Seventh and eighth: the text, and FIN once every byte before it is here.

    The sixth, URG: its pointer is not used, and what is urgent stays in its place among the rest.
    """
    receiver = block.receiver
    assert receiver is not None
    if block.state not in TAKES_TEXT:
        return
    if segment.length:
        text_seq = seq + 1 if segment.flags & SYN and seq == receiver.irs else seq
        receiver.take(text_seq, segment.data, fin=bool(segment.flags & FIN))
    if block.state is State.FIN_WAIT_2:
        block.timers[Timer.FIN_WAIT_2] = now + block.settings.fin_wait_2
    if receiver.is_finished:
        block.move(Event.FIN, now)
