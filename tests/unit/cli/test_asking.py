"""The verb that tells a capture: the numbers by which its packets are asked for."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from netlab.cli.asking import trace_command
from netlab.report.pcapng import Writer


def test_packets_are_numbered_behind_the_legend(tmp_path: Path) -> None:
    """--numbers puts 1, 2, … before the packets alone; without it the text is a trace.txt's."""
    with (tmp_path / "capture.pcapng").open("wb") as file:
        writer = Writer(file)
        writer.add_interface("client")
        for time_ns in range(12):
            writer.packet(0, time_ns, bytes(60))
        writer.finish(12, 12, 0)
    plain, numbered = (
        CliRunner().invoke(trace_command, ["show", str(tmp_path), *words]).output.splitlines()
        for words in ((), ("--numbers",))
    )
    packets = [row for row in plain if not row.startswith("#")]
    legend = plain[: -len(packets)]
    assert len(packets) == 12
    assert numbered == [*legend, *(f"{at:>2}  {row}" for at, row in enumerate(packets, 1))]


def test_the_legend_says_what_the_numbers_leave_out(tmp_path: Path) -> None:
    """A number below 0, and queries of one digest under two ids, are explained where they stand."""
    with (tmp_path / "capture.pcapng").open("wb") as file:
        Writer(file).finish(0, 0, 0)
    text = CliRunner().invoke(trace_command, ["show", str(tmp_path)]).output
    assert "(below 0: before it)" in text
    assert "not of a DNS id" in text
