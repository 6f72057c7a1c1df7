"""A step of a wire's script in words, as "drop 2nd tcp data from web": read, and written again.

ACTION WHICH [by AMOUNT] [to LENGTH]

drop | delay | duplicate | reorder | corrupt | truncate
WHICH, in any order: 1st, 2nd, … or each, and what the packets have in common:
    arp | icmp | icmpv6 | tcp | udp;  syn, ack, … or no syn, no ack, …;  data or no data;
    from NODE or to NODE, the node whose cable it is (or sent, received: whichever node that is)
delay … by 200 ms;  reorder … by 2;  truncate … to 30
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

from netlab.topology import quantities
from netlab.topology.faults import shown
from netlab.topology.quantities import Unfit
from netlab.topology.recordings import PROTOCOLS
from netlab.topology.rules import FLAGS, WITH_PORTS
from netlab.topology.wires import ACTIONS, Match, Step

MOST_PACKETS = 100  # that a reordering may wait for
MOST_BYTES = 65535  # that a truncation may leave
MOST_NTH = 1_000_000

_DIRECTIONS = {"sent": True, "from": True, "received": False, "to": False}
_KNOWN = ("each", *PROTOCOLS, *FLAGS, "data", "no", *_DIRECTIONS, "by")
_SPELLED = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_LEADING = f"write one of {', '.join(ACTIONS)} first"
_LIKE = "drop 2nd tcp data from web"

# The form of a step, for who checks a file by its form alone: what its words mean together is not in it.
_GAP = r"[ \t\n]"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_WORD = (
    f"([0-9]{{1,7}}(st|nd|rd|th)|each|{'|'.join(PROTOCOLS)}|(no{_GAP}+)?({'|'.join(FLAGS)}|data)|sent|received"
    f"|(from|to){_GAP}+{_LABEL}|by{_GAP}+[0-9.]+({_GAP}*[a-z]+)?|bytes?)"
)
PATTERN = f"{_GAP}*({'|'.join(ACTIONS)})({_GAP}+{_WORD})+{_GAP}*"


class Misread(NamedTuple):
    """What is wrong with a step: column and width in characters, from 0; what it is, and what to do."""

    column: int
    width: int
    what: str
    hint: str


class _MisreadError(Exception):
    """Carries what is wrong out of the reading."""

    def __init__(self, misread: Misread) -> None:
        super().__init__(misread)
        self.misread = misread


def parse_step(text: str, node: str) -> Step | Misread:
    """Return the step that a text says for the cable of that node, or the first thing wrong with it."""
    try:
        return _Reading(text, node).step()
    except _MisreadError as error:
        return error.misread


class _Token(NamedTuple):
    text: str
    column: int


@dataclass(slots=True)
class _Said:
    """What a step has said so far; None: nothing of that."""

    nth: int | None = None
    is_counted: bool = False
    sent: bool | None = None
    protocol: str | None = None
    flags: set[str] = field(default_factory=set)
    clear: set[str] = field(default_factory=set)
    data: bool | None = None
    by: float | None = None
    to: int | None = None


class _Reading:
    """One step, being read."""

    def __init__(self, text: str, node: str) -> None:
        self._tokens = [_Token(found[0], found.start()) for found in re.finditer(r"[^ \t\n]+", text)]
        self._node = node
        self._at = 0
        self._said = _Said()
        self._first: dict[str, _Token] = {}  # what was said → by which word

    def step(self) -> Step:
        """Return the step; raises _MisreadError."""
        if not self._tokens:
            raise _MisreadError(Misread(0, 1, "no step stands here", f"write one, as {_LIKE}"))
        action = self._next()
        if action.text not in ACTIONS:
            close = get_close_matches(action.text.lower(), ACTIONS, n=1)
            hint = f"did you mean '{close[0]}'?" if close else _LEADING
            raise self._misread(f"unknown action {shown(action.text)}", hint, action)
        while self._at < len(self._tokens):
            self._word(self._next(), action.text)
        self._check(action)
        said = self._said
        match = Match(said.sent, said.protocol, frozenset(said.flags), frozenset(said.clear), said.data)
        by = 1 if action.text == "reorder" and said.by is None else said.by
        return Step(action.text, match, said.nth, by, said.to)

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _misread(self, what: str, hint: str, first: _Token, last: _Token | None = None) -> _MisreadError:
        end = last or first
        return _MisreadError(Misread(first.column, end.column + len(end.text) - first.column, what, hint))

    def _once(self, key: str, token: _Token) -> None:
        """Note that a word says a thing that only one word of a step can say."""
        first = self._first.setdefault(key, token)
        if first is not token:
            what = f"both {shown(first.text)} and {shown(token.text)} say {key}"
            if first.text == token.text:
                what = f"{shown(token.text)} is there twice"
            raise self._misread(what, "keep one of the two", token)

    def _word(self, token: _Token, action: str) -> None:
        word, said = token.text, self._said
        if re.fullmatch("[0-9]+(st|nd|rd|th)", word):
            self._once("which packet", token)
            said.nth, said.is_counted = self._ordinal(token), True
        elif word == "each":
            self._once("which packet", token)
            said.is_counted = True
        elif word in PROTOCOLS:
            self._once("which protocol", token)
            said.protocol = word
        elif word == "no":
            self._negated(token)
        elif word in FLAGS:
            self._once(f"whether {word} is set", token)
            said.flags.add(word)
        elif word == "data":
            self._once("whether there is data", token)
            said.data = True
        elif word == "by" and action in ("delay", "reorder"):
            self._once("by how much", token)
            said.by = self._time(token) if action == "delay" else self._packets(token)
        elif word == "to" and re.fullmatch("[0-9]+", self._peek()):  # no node is called so
            self._once("to what length", token)
            said.to = self._length(token, action)
        elif word in _DIRECTIONS:
            self._once("in which direction", token)
            said.sent = self._direction(token)
        else:
            raise self._misread(*self._unknown(word, action), token)

    def _unknown(self, word: str, action: str) -> tuple[str, str]:
        """Return what is wrong with a word that means nothing here, and what to do."""
        if word == "by":
            return f"{action} knows no amount", "delete this, or write delay or reorder"
        what = f"unknown word {shown(word)}"
        close = (get_close_matches(word.lower(), [*_KNOWN, *_SPELLED], n=1) or [""])[0]
        if close in _SPELLED:
            return what, f"write {_ordinal_words(_SPELLED.index(close) + 1)}"
        if word.isdigit() and 1 <= int(word[:9]) <= MOST_NTH:
            return what, f"did you mean '{_ordinal_words(int(word))}'?"
        return what, f"did you mean '{close}'?" if close else f"known here: 1st, {', '.join(_KNOWN)}"

    def _ordinal(self, token: _Token) -> int:
        number = int(token.text[:-2][:12])
        if not 1 <= number <= MOST_NTH:
            raise self._misread(f"there is no {shown(token.text)} packet", "packets count from 1st", token)
        if _ordinal_words(number) != token.text:
            raise self._misread(
                f"unknown word {shown(token.text)}", f"did you mean '{_ordinal_words(number)}'?", token
            )
        return number

    def _negated(self, token: _Token) -> None:
        if self._peek() not in (*FLAGS, "data"):
            hint = "write data or a flag behind it, as no ack"
            raise self._misread("'no' what?", hint, token)
        negated = self._next()
        if negated.text == "data":
            self._once("whether there is data", _Token("no data", token.column))
            self._said.data = False
        else:
            self._once(f"whether {negated.text} is set", _Token(f"no {negated.text}", token.column))
            self._said.clear.add(negated.text)

    def _direction(self, token: _Token) -> bool:
        if token.text in ("from", "to"):
            whose = f"this is the cable of {shown(self._node)}"
            if not self._peek():
                raise self._misread(f"'{token.text}' whom?", f"write {token.text} {self._node}", token)
            name = self._next()
            if name.text.lower() != self._node.lower():
                other = "to" if token.text == "from" else "from"
                hint = f"{whose}: write {other} {self._node}, or say it of the other's own cable"
                raise self._misread(f"{shown(name.text)} is at no end of this cable", hint, name)
        return _DIRECTIONS[token.text]

    def _time(self, token: _Token) -> float:
        """Read what stands behind `by`: 200 ms, 200ms."""
        if not self._peek():
            raise self._misread("by how long?", "write a time, as by 200 ms", token)
        first = last = self._next()
        # A unit that is none is told of as one; a word of the step's own is left to it.
        if re.fullmatch("[0-9.]+", first.text) and re.fullmatch("[a-zA-Zµ]+", self._peek()):
            last = first if self._peek() in _KNOWN else self._next()
        word = first.text if last is first else f"{first.text} {last.text}"
        found = quantities.seconds(word)
        if isinstance(found, Unfit):
            raise self._misread(*found, first, last)
        return found

    def _packets(self, token: _Token) -> int:
        if not self._peek():
            raise self._misread("by how many packets?", "write a number, as by 1", token)
        return self._whole(self._next(), MOST_PACKETS, ("packet", "packets"))

    def _length(self, token: _Token, action: str) -> int:
        """Read what stands behind a `to` that is followed by a number."""
        number = self._next()
        if action != "truncate":
            what, hint = f"{action} knows no length", "delete this, or write truncate"
            raise self._misread(what, hint, token, number)
        return self._whole(number, MOST_BYTES, ("byte", "bytes"))

    def _whole(self, token: _Token, most: int, nouns: tuple[str, str]) -> int:
        """Return a number from 1 on, and pass over its noun."""
        if not re.fullmatch("[1-9][0-9]{0,8}", token.text) or int(token.text) > most:
            what = f"{shown(token.text)} is no number of {nouns[1]}"
            raise self._misread(what, f"write a whole number from 1 to {most}", token)
        if self._peek() in nouns:
            self._next()
        return int(token.text)

    def _check(self, action: _Token) -> None:
        """Raise _MisreadError for what is missing, and for what does not go together."""
        said, first = self._said, self._first
        if not said.is_counted:
            hint = f"write 1st, 2nd, … or each, as {action.text} 1st {' '.join(self._rest(action))}".rstrip()
            raise self._misread("which of these packets?", hint, action)
        having = (f"whether {flag} is set" for flag in FLAGS)
        flagged = next((first[key] for key in having if key in first), None)
        if flagged is not None and said.protocol not in ("tcp", None):
            raise self._misread(f"{said.protocol} has no flags", "delete this, or write tcp", flagged)
        if said.data is not None and said.protocol not in (*WITH_PORTS, None):
            what = f"of {said.protocol} the wire knows no data"
            token = first["whether there is data"]
            raise self._misread(what, "delete this, or write tcp or udp", token)
        if action.text == "delay" and said.by is None:
            raise self._misread("delay by how long?", "write so at the end, as by 200 ms", action)
        if action.text == "truncate" and said.to is None:
            raise self._misread("truncate to how many bytes?", "write so at the end, as to 30", action)

    def _rest(self, action: _Token) -> list[str]:
        return [token.text for token in self._tokens if token is not action]


def words(step: Step, node: str) -> str:
    """Say a step of the cable of that node, as `parse_step` reads it."""
    match = step.match
    said = [step.action, "each" if step.nth is None else _ordinal_words(step.nth)]
    said += [match.protocol] if match.protocol else []
    said += [flag for flag in FLAGS if flag in match.flags]
    said += [f"no {flag}" for flag in FLAGS if flag in match.clear]
    said += [] if match.data is None else ["data" if match.data else "no data"]
    said += [] if match.sent is None else [f"{'from' if match.sent else 'to'} {node}"]
    if step.by is not None:
        said.append(f"by {quantities.time_words(step.by) if step.action == 'delay' else f'{step.by:g}'}")
    said += [] if step.to is None else [f"to {step.to}"]
    return " ".join(said)


def _ordinal_words(number: int) -> str:
    tail = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{tail}"
