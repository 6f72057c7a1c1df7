"""The words of wires: what is done to the packets on a cable, by a script and by chance."""

from __future__ import annotations

from netlab.topology import quantities, steps
from netlab.topology.language.shapes import Either, Key, ListOf, OneOf, Only, Section, Text, Whole
from netlab.topology.vocabulary import SEEDS
from netlab.topology.wires import ENGINES

_CHANCE = Text("a chance", "5%", quantities.CHANCE)
_STEP = Text("a step in words", "drop 2nd tcp data", steps.PATTERN)

BURST = Section(
    name="burst",
    title="Loss in bursts",
    about="""\
Gilbert–Elliott's chain: a flow is in a good state or in a bad one, and each packet of it may change that.""",
    keys=(
        Key("enter", _CHANCE, "How likely a packet begins a bad state.", example="1%"),
        Key("leave", _CHANCE, "How likely a packet ends one.", example="30%"),
        Key("bad", _CHANCE, "How likely a packet is lost in the bad state.", default="100%"),
        Key("good", _CHANCE, "The same in the good state.", default="0%"),
    ),
    required=("enter", "leave"),
    example="""\
nodes:
  client:
  web: {wire: {received: {loss: {enter: 1%, leave: 30%, bad: 80%}}}}
""",
)


def _seconds(name: str, meaning: str, like: str) -> Key:
    return Key(name, Text("a time", like, quantities.TIME), meaning, otherwise="none", example=like)


_SETTINGS = (
    Key("loss", Either((_CHANCE, BURST)), "How likely a packet is lost.", default="0%"),
    _seconds("delay", "How long each packet is held, up to 60 s.", "20 ms"),
    _seconds("jitter", "How much longer or shorter than `delay` that is, at most.", "5 ms"),
    Key(
        "rate",
        Text("a rate", "1 Mbit/s", quantities.RATE),
        "How fast packets get onto it, one after the other; 64 KiB may wait for that, and no more.",
        otherwise="without limit",
        example="1 Mbit/s",
    ),
    Key("duplicate", _CHANCE, "How likely it arrives twice.", default="0%"),
    Key("reorder", _CHANCE, "How likely the next one of its flow overtakes it.", default="0%"),
    Key(
        "corrupt",
        _CHANCE,
        "How likely one bit falls over, anywhere behind the Ethernet header.",
        default="0%",
    ),
)

WAY = Section(
    name="way",
    title="One direction of a wire",
    about="It lies over what the wire says of both directions, key by key.",
    keys=_SETTINGS,
    example="""\
nodes:
  client:
  web:
    wire:
      delay: 20 ms
      received: {loss: 5%, jitter: 5 ms}
""",
)

WIRE = Section(
    name="wire",
    title="A wire",
    about="""\
A node's cable, and what becomes of the packets on it: first comes the script, then chance decides on those
that it leaves alone. What is said here of chance holds for both directions.""",
    keys=(
        Key(
            "script",
            ListOf(_STEP),
            "What is done to which packets.",
            otherwise="nothing",
            example=["drop 2nd tcp data"],
        ),
        *_SETTINGS,
        Key("sent", WAY, "What the node sends, where that fares otherwise.", otherwise="as said for both"),
        Key("received", WAY, "The same of what it gets.", otherwise="as said for both"),
        Key(
            "seed",
            Whole(*SEEDS),
            "Decides what chance does.",
            otherwise="made from the lab's seed and the names",
            example=7,
        ),
        Key(
            "engine",
            OneOf(
                {
                    ENGINES[0]: "netlab itself, on any machine, the same in every run",
                    ENGINES[1]: "the kernel's netem, where there is one, for high rates; it knows no script",
                },
                "engine",
            ),
            "Who does it.",
            default=ENGINES[0],
        ),
    ),
    only=(Only("script", "engine", (ENGINES[0],)),),
    example="""\
nodes:
  client:
  web:
    wire:
      script:
        - drop 2nd tcp data from web
        - delay 1st tcp syn to web by 200 ms
        - reorder 3rd tcp data from web by 1
        - truncate 1st udp to 30
      delay: 20 ms
      received: {loss: 5%}
      seed: 7
""",
    notes="""\
A step begins with what is done: `drop`, `delay` (`by 200 ms`), `duplicate`, `reorder` (`by 2`: as many
packets of its flow overtake it; 1 if nothing is said), `corrupt` (a bit of its data, or of its header where
there is none) or `truncate` (`to 30`: the bytes that are left of the IP packet). Then it says to which
packets, in any order:

- `1st`, `2nd`, `3rd`, … of those that fit, or `each` of them;
- the protocol: `arp`, `icmp`, `icmpv6`, `tcp` or `udp`;
- TCP's flags that must be set, as `syn`, `ack`, `fin`, and those that must not, as `no ack` (a SYN-ACK has
  both SYN and ACK; a first SYN is `syn no ack`);
- `data` or `no data`, behind the header of TCP or UDP;
- `from web` or `to web`, the node whose cable it is; for a kind, whose nodes have other names, `sent` or
  `received`.

Of a packet in fragments, only the first has a protocol's header, and later ones are for steps without any of
these words; nor does a step count what is meant for another node's MAC. Behind VLAN tags nothing is read.
Each step counts for itself, and all steps that a packet is for are done to it, in their order. Times are in
`us`, `ms` and `s`, rates in `kbit/s`, `Mbit/s` and `Gbit/s`.

The same seed means the same fate for the same packets. A packet's luck depends on the seed, the direction,
its flow (protocol, addresses, and the lower port unless a kernel chose it), whether it has data, and how many
such packets came before it: not on how flows and directions interleave, nor on ports and sequence numbers
that kernels draw. Two things no seed decides: how often a kernel acknowledges, and how connections between
the same hosts to the same port interleave, which share one count. Bursts of loss are of one flow each. Jitter
does not reorder packets, unless netem does it: one with less jitter waits for the one before it. A packet
that is to be overtaken waits half a second at most, and overtakes nobody meanwhile; the trace says if nobody
has overtaken it. 32 MiB can be under way in a direction; what comes then is dropped (`queue full`).

The trace says of each packet what the wire did to it: `dropped by wire`, `held 200 ms by wire` (time in a
queue is not counted), `corrupted by wire (byte 54)`, counted from 0 as Wireshark does.""",
)
