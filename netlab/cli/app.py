"""The verbs of `netlab`, by name: a verb's module is imported when the verb is used."""

from __future__ import annotations

import importlib
from difflib import get_close_matches

import click

# verb → the module that has it, as a click command of that name
VERBS = {
    "run": "netlab.cli.running",
    "lab": "netlab.cli.exercises",
    "up": "netlab.cli.detached",
    "apply": "netlab.cli.applying",
    "wire": "netlab.cli.impairing",
    "down": "netlab.cli.detached",
    "ps": "netlab.cli.detached",
    "exec": "netlab.cli.running",
    "shell": "netlab.cli.running",
    "scapy": "netlab.cli.running",
    "logs": "netlab.cli.watching",
    "capture": "netlab.cli.watching",
    "check": "netlab.cli.asking",
    "plan": "netlab.cli.asking",
    "graph": "netlab.cli.graphing",
    "schema": "netlab.cli.describing",
    "trace": "netlab.cli.asking",
    "export": "netlab.cli.exporting",
    "image": "netlab.cli.imaging",
    "doctor": "netlab.cli.asking",
    "completion": "netlab.cli.asking",
}


class Verbs(click.Group):
    """Commands imported on demand: each costs only what it needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        """Name the verbs in the order in which a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(importlib.import_module(VERBS[cmd_name]), f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; one that is not there is told with the nearest that is."""
        name = args[0]
        if name in VERBS or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        close = get_close_matches(name.lower(), VERBS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(VERBS)}"
        raise click.UsageError(f"no such command {name!r} — {hint}", ctx)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="netlab-l4", prog_name="netlab")
def app() -> None:
    """Sealed labs of the transport layer: real servers, crafted packets, every packet recorded. No root.

    \b
    Examples:
      netlab lab run dns                                   a DNS query, crafted by hand
      netlab run topologies/web.yaml client -- curl http://www.lab.test/
      netlab up topologies/web.yaml && netlab shell client; netlab down
    """  # noqa: D301 — \b is click's mark for lines that stay as they are
