"""The eleven states and every change between them (RFC 9293, section 3.3.2, figure 5), in one table.

A connection changes its state by `after` alone: what is not in the table cannot happen.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """A connection's state; the value is the RFC's spelling."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"


class Event(Enum):
    """What changes a state: a call of the user's, what a segment brings, or a timer."""

    ACTIVE_OPEN = "active OPEN"
    PASSIVE_OPEN = "passive OPEN"
    CLOSE = "CLOSE"
    SYN = "SYN"
    SYN_ACKED = "ACK of our SYN"
    BOTH_SYNS = "SYN, and ACK of ours"
    FIN = "FIN"
    FIN_ACKED = "ACK of our FIN"
    BACK_TO_LISTEN = "RST or SYN before a passive open was complete"
    END = "RST, ABORT, user timeout, an error that ends it, or 2 MSL over"


def _every_state_ends() -> dict[tuple[State, Event], State]:
    return {(state, Event.END): State.CLOSED for state in State if state is not State.CLOSED}


TABLE: dict[tuple[State, Event], State] = {
    # in state             when                   →  next state
    (State.CLOSED,         Event.ACTIVE_OPEN):       State.SYN_SENT,
    (State.CLOSED,         Event.PASSIVE_OPEN):      State.LISTEN,
    (State.LISTEN,         Event.ACTIVE_OPEN):       State.SYN_SENT,
    (State.LISTEN,         Event.SYN):               State.SYN_RECEIVED,
    (State.LISTEN,         Event.CLOSE):             State.CLOSED,
    (State.SYN_SENT,       Event.SYN):               State.SYN_RECEIVED,  # a simultaneous open
    (State.SYN_SENT,       Event.BOTH_SYNS):         State.ESTABLISHED,
    (State.SYN_SENT,       Event.CLOSE):             State.CLOSED,
    (State.SYN_RECEIVED,   Event.SYN_ACKED):         State.ESTABLISHED,
    (State.SYN_RECEIVED,   Event.CLOSE):             State.FIN_WAIT_1,
    (State.SYN_RECEIVED,   Event.BACK_TO_LISTEN):    State.LISTEN,
    (State.ESTABLISHED,    Event.CLOSE):             State.FIN_WAIT_1,
    (State.ESTABLISHED,    Event.FIN):               State.CLOSE_WAIT,
    (State.FIN_WAIT_1,     Event.FIN_ACKED):         State.FIN_WAIT_2,
    (State.FIN_WAIT_1,     Event.FIN):               State.CLOSING,       # a simultaneous close
    (State.FIN_WAIT_2,     Event.FIN):               State.TIME_WAIT,
    (State.CLOSE_WAIT,     Event.CLOSE):             State.LAST_ACK,
    (State.CLOSING,        Event.FIN_ACKED):         State.TIME_WAIT,
    (State.LAST_ACK,       Event.FIN_ACKED):         State.CLOSED,
    **_every_state_ends(),
}  # fmt: skip


def after(state: State, event: Event) -> State:
    """Return the state that an event leads to; KeyError if it cannot happen there."""
    return TABLE[state, event]


# Which states can do what; each set is a phrase of RFC 9293, section 3.10. HAS_CLOSED: our side has.
SYNCHRONIZED = frozenset(State) - {State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED}
TAKES_TEXT = frozenset({State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2})
SENDS_TEXT = frozenset({State.ESTABLISHED, State.CLOSE_WAIT})
HAS_CLOSED = SYNCHRONIZED - SENDS_TEXT
