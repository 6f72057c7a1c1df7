"""The verb schema: the topology language, for editors and for people."""

from __future__ import annotations

from pathlib import Path

import click

from netlab.cli import console


@click.command("schema", short_help="Print the topology language: a JSON Schema, or its reference.")
@click.option("--markdown", is_flag=True, help="Print the reference, a page to read, in place of the schema.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: print it."
)
def schema_command(markdown: bool, out: Path | None) -> None:
    """Print what a topology may say, as a JSON Schema, by which editors complete and check it as one types.

    A topology's first line tells editors where it is: # yaml-language-server: $schema=netlab.schema.json

    \b
    Examples:
      netlab schema -o netlab.schema.json
      netlab schema --markdown -o topologies.md
    """  # noqa: D301
    from netlab.report import reference, schema
    from netlab.topology.language import NOTES, SECTIONS, TOPOLOGY

    text = reference.text(SECTIONS, NOTES) if markdown else schema.text(TOPOLOGY)
    if out is None:
        console.say(text.rstrip("\n"))
        return
    with console.writing(out):
        out.write_text(text, encoding="utf-8")
    console.note(f"written: {out}")
