"""The words of what a node is given besides its network."""

from __future__ import annotations

from netlab.topology.given import READY_SECONDS
from netlab.topology.language import patterns
from netlab.topology.language.shapes import ByName, Either, Key, ListOf, Section, Single, Text, Whole
from netlab.topology.vocabulary import OPEN_FILES, PORTS, PROCESSES, READY_WITHIN, TIME_LIMITS

COMMAND = Either(
    (
        Text("a command", "python3 -m http.server 8080", patterns.NOT_BLANK),
        ListOf(Single("a word of the command", or_null=True), 1),
    )
)
ENVIRONMENT = ByName(Text("a variable", "COLOUR", patterns.VARIABLE), Single("its value"), or_empty=False)
SYSCTLS = ByName(
    Text("a parameter below net.", "net.ipv4.tcp_syncookies", patterns.SYSCTL),
    Either((Whole(), Text("a text of one line", "cubic", patterns.ONE_LINE))),
    or_empty=False,
)

FILE = Section(
    name="file",
    title="A file",
    about="A text alone is short for `{text: …}`.",
    keys=(
        Key("text", Text("its text", "Welcome."), "What is in it."),
        Key(
            "from",
            Text("a file", "data.bin"),
            "The file that it is a copy of, beside the topology.",
            example="data.bin",
        ),
        Key(
            "mode",
            Text("permissions in octal, quoted", '"0755"', patterns.MODE),
            "Its permissions; quoted, since 0644 is not the same number to all programs.",
            default="0644",
        ),
    ),
    one_of=("text", "from"),
    example="""\
nodes:
  web:
    files:
      /etc/motd: "Welcome.\\n"
      /srv/run: {text: "#!/bin/sh\\n", mode: "0755"}
      /srv/page: {from: www/index.html}
""",
    notes="""\
All files together are at most 16 MiB, read when the topology is. A file may be where the machine has none, in
directories that it has not; only the root directory itself cannot gain one (in a container it can). `/proc`,
`/sys`, `/dev` and `/run/netlab` are taken.""",
)
FILES = ByName(
    Text("a path in the node", "/etc/motd", patterns.PATH),
    Either((Text("its text", "Welcome."), FILE)),
    or_empty=False,
)

READY = Section(
    name="ready",
    title="When a command is ready",
    about="Just one of these.",
    keys=(
        Key("port", Whole(*PORTS), "Somebody in the node listens on this TCP port.", example=8080),
        Key("udp-port", Whole(*PORTS), "A socket of the node is bound to this UDP port.", example=53),
        Key(
            "log",
            Text("a regular expression", "listening"),
            "A line of what the command writes matches.",
            example="listening",
        ),
        Key("succeeds", COMMAND, "This other command, run again and again, ends with status 0."),
    ),
    one_of=("port", "udp-port", "log", "succeeds"),
    example="""\
nodes:
  web:
    start:
      - run: python3 -m http.server 8080
        ready: {port: 8080}
      - {run: sh -c "echo listening", ready: {log: listening}}
""",
)

START = Section(
    name="start",
    title="A start-up command",
    about="A command alone is short for `{run: …}`.",
    keys=(
        Key(
            "run", COMMAND, "The command. A text is split into words as a shell would, but no shell reads it."
        ),
        Key(
            "ready",
            READY,
            "The condition that the lab waits for.",
            otherwise="the command must end, with status 0",
            example={"port": 8080},
        ),
        Key("within", Whole(*READY_WITHIN), "Seconds that this may take.", default=READY_SECONDS),
    ),
    required=("run",),
    example="""\
nodes:
  web:
    start:
      - touch /tmp/seen
      - [sh, -c, 'echo a | wc -c']
      - run: python3 -m http.server 8080 --directory /srv
        ready: {port: 8080}
        within: 20
""",
    notes="""\
They begin in order, in `/`, with a small environment of netlab's; the lab is ready when all of them are. What
one writes is in `logs/NODE-start-1.log`, and one that fails before its lab ends is told, as a service is.
`[sh, -c, 'a | b']` names a shell.""",
)
STARTS = Either((*COMMAND.shapes[:1], START, ListOf(Either((*COMMAND.shapes, START)))))

LIMITS = Section(
    name="limits",
    title="Limits of commands",
    about="The kernel's, for each command that runs in the node, not for its services.",
    keys=(
        Key(
            "memory",
            Text("a size", "256 MiB", patterns.SIZE),
            "Address space, in KiB, MiB or GiB; a script's counts from what its interpreter has already.",
            otherwise="none",
            example="256 MiB",
        ),
        Key(
            "processes",
            Whole(*PROCESSES),
            "Processes of a command, itself one of them, counted against what the lab has when it starts.",
            otherwise="none",
            example=50,
        ),
        Key("cpu-seconds", Whole(*TIME_LIMITS), "Processor time of a process.", otherwise="none", example=10),
        Key("files", Whole(*OPEN_FILES), "Open files of a process.", otherwise="none", example=100),
    ),
    example="""\
nodes:
  web:
    limits: {memory: 256 MiB, processes: 50, cpu-seconds: 10, files: 100}
""",
    notes="The kernel limits no process of root's by their number, and netlab says so.",
)
