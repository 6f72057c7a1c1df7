"""The firewall rules that a topology can name, each as nft has it and as the kernel is told.

Its counterpart is `netlab.topology.vocabulary.FIREWALL_RULES`, which says the same in a sentence.
"""

from __future__ import annotations

from netlab.plan.model import Rule

RULES = {
    "hold-back-rst": Rule(
        name="hold-back-rst",
        why="The kernel knows no connection for a segment that a script asked for, and answers it with RST.",
        chain="output",
        nft="tcp flags & rst == rst counter drop",
        matches=(("protocol", "tcp"), ("tcp-flag", "rst")),
        verdict="drop",
    ),
}
