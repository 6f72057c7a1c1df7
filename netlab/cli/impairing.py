"""The verb that shows the cables of a running lab, and lets them misbehave: wire."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from netlab.cli import completing, console
from netlab.errors import UsageError

if TYPE_CHECKING:
    from netlab.plan.changes import Change


@click.command("wire", short_help="Show the cables of a running lab, or let one misbehave.")
@click.argument("node", required=False, shell_complete=completing.nodes)
@click.argument("words", nargs=-1, metavar="[IMPAIRMENT]...", shell_complete=completing.impairments)
@click.option("--off", is_flag=True, help="Take the wire away: the cable behaves.")
@click.option("--sent", is_flag=True, help="Only what NODE sends; what was said of the other way stays.")
@click.option("--received", is_flag=True, help="Only what NODE gets.")
@click.option("--interface", metavar="NAME", help="Which interface, or network, of a node that has several.")
@console.lab_option
@console.json_option
def wire_command(
    node: str | None,
    words: tuple[str, ...],
    off: bool,
    lab_name: str | None,
    as_json: bool,
    **where: Any,  # noqa: ANN401 — click's
) -> None:
    """Show the cables of a running lab and what their wires did; or change that of NODE, while packets pass.

    IMPAIRMENTs are all that the wire then does: settings (loss, delay, jitter, rate, duplicate, reorder,
    corrupt, seed, engine) and steps of a script, in the topology's words. While a wire is put in or taken
    out, a packet may come twice.

    \b
    Examples:
      netlab wire
      netlab wire web loss=5% delay=20ms
      netlab wire web drop 2nd tcp data from web
      netlab wire web --off
    """  # noqa: D301
    from netlab import lab

    ways = [way for way in ("sent", "received") if where[way]]
    _check(node, words, off=off, chosen=bool(ways or where["interface"]))
    running = lab.attach(lab_name)
    called = running.info["name"]
    if node is not None:
        console.require_node(node, running.nodes, f"lab {called}")
    if node is None or not (words or off):
        told = running.wires()
        told["cables"] = [one for one in told["cables"] if node in (None, one["node"])]
        console.say_json({"lab": called, **told}) if as_json else _show(told)
        return
    changes = running.wire(node, *words, interface=where["interface"], ways=ways or ("sent", "received"))
    if as_json:
        listed = [asdict(change) | {"text": str(change)} for change in changes]
        console.say_json({"lab": called, "changes": listed})
    else:
        _say(node, changes)


def _check(node: str | None, words: tuple[str, ...], *, off: bool, chosen: bool) -> None:
    """Raise UsageError where what is given does not go together."""
    if off and words:
        raise UsageError("--off and impairments do not go together", "give one of them")
    if off and node is None:
        raise UsageError("--off takes a node", "name it, as in `netlab wire web --off`")
    if chosen and not (words or off):
        raise UsageError("nothing is said of the wire", "add what it is to do, as loss=5%, or --off")


def _say(node: str, changes: list[Change]) -> None:
    for change in changes:
        console.say(str(change))
    if not changes:
        console.say(f"{node}: the wire is so already")


def _show(told: dict[str, Any]) -> None:
    rows = [("NODE", "INTERFACE", "NETWORK", "WIRE", "SENT", "RECEIVED")]
    for cable in told["cables"]:
        about = (cable["node"], cable["interface"], cable["network"])
        if cable["wire"] is None:
            rows.append((*about, "none", "", ""))
            continue
        counted = cable["counted"] or {}
        rows.append(
            (*about, cable["words"], _counted(counted.get("sent")), _counted(counted.get("received")))
        )
    console.say_table(rows)
    if told["lost"] is None:
        console.note("the wires' relay has ended: nothing passes these cables any more; start the lab again")
    elif told["lost"]:
        console.note(
            f"{console.count(told['lost'], 'packet')} lost that came faster than they could be carried"
        )


def _counted(one: dict[str, int] | None) -> str:
    """Say what a wire did in one direction."""
    if one is None:
        return "not counted"
    said = [console.count(one["packets"], "packet")]
    said += [f"{one[what]} {what}" for what in ("dropped", "delayed", "altered") if one[what]]
    return ", ".join(said)
