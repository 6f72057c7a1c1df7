"""The verb graph: a lab drawn from its topology file."""

from __future__ import annotations

from pathlib import Path

import click

from netlab.cli import console

_FORMATS = ("text", "mermaid", "dot", "svg")
_ENDINGS = {
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
}


@click.command("graph", short_help="Draw a lab from its file: text, Mermaid, DOT or SVG.")
@console.topology_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="How to draw; default: what the ending of --out says (.mmd, .dot, .svg), else text.",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: print it."
)
def graph_command(topology: Path, form: str | None, out: Path | None) -> None:
    """Draw TOPOLOGY: networks, nodes, addresses, services, rules, images. Nothing is started.

    \b
    Examples:
      netlab graph topologies/web.yaml
      netlab graph topologies/web.yaml -o web.svg
      netlab graph topologies/web.yaml --format dot | dot -Tpng > web.png
    """  # noqa: D301
    from netlab.errors import UsageError
    from netlab.plan import make_plan
    from netlab.report import graph
    from netlab.topology import load

    loaded = load(topology)
    if out is not None and out.resolve() == topology.resolve():
        raise UsageError(f"{out} is the topology itself", "give the drawing another name")
    chosen = form or (_ENDINGS.get(out.suffix.lower(), "text") if out is not None else "text")
    # Images are an engine's; a drawing of them needs none.
    drawn = graph.formats()[chosen](make_plan(loaded, backend="docker"))
    if out is None:
        console.say(drawn.rstrip("\n"))
        return
    with console.writing(out):
        out.write_text(drawn, encoding="utf-8")
    console.note(f"written: {out}")
