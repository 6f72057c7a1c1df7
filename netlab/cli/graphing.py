"""The verb graph: a lab drawn from its topology file."""

from __future__ import annotations

from pathlib import Path

import click

from netlab.cli import console

_FORMATS = ("text", "mermaid", "dot", "svg")
# Ending of a file → how it is drawn, unless --format says so.
_ENDINGS = {
    "": "text",
    ".txt": "text",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
}
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".ps")  # as Graphviz makes them


@click.command("graph", short_help="Draw a lab from its file: text, Mermaid, DOT or SVG.")
@console.topology_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="How to draw; default: what the ending of --out says (.svg, .mmd, .dot, .txt), else text.",
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
    from netlab.report.formats import FORMATS
    from netlab.topology import load

    loaded = load(topology)
    if out is not None and out.resolve() == topology.resolve():
        raise UsageError(f"{out} is the topology itself", "give the drawing another name")
    chosen = form or _drawing(out)
    # Images are an engine's; a drawing of them needs none.
    drawn = FORMATS[chosen](make_plan(loaded, backend="docker"))
    if out is None:
        console.say(drawn.rstrip("\n"))
        return
    with console.writing(out):
        out.write_text(drawn, encoding="utf-8")
    console.note(f"written: {out}")


def _drawing(out: Path | None) -> str:
    """Return how the ending of a file's name wants it drawn; UsageError for one that nothing here is."""
    from netlab.errors import UsageError

    ending = "" if out is None else out.suffix.lower()
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    hint = f"end its name in {', '.join(filter(None, _ENDINGS))}, or say --format"
    if ending in _PICTURES:
        graphviz = f"netlab graph FILE --format dot | dot -T{ending[1:]} > {out}"
        hint = f"write an .svg, or let Graphviz draw it: {graphviz}"
    raise UsageError(f"{out}: no drawing of netlab's ends in {ending}", hint)
