"""A plan as a picture (SVG): networks are horizontal lines, as Ethernet's first drawing had its cable.

Nodes of one network hang below it in rows. One of several has a column of its own at the right, below its
first network, so that the lines to its others cross no box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from netlab.plan.model import Plan, PlannedNode, Port
from netlab.report.graph import Network, facts, interface, networks

_CHARACTER = 6.7  # px: a monospaced one of 11 px
_TITLE_CHARACTER = 8.5
_LINE, _PAD = 16, 10
_NARROWEST, _WIDEST = 110, 280
_GUTTER = 28  # between boxes; lines to lower rows run in it
_MARGIN = 24
_LABEL = 26  # above a network's line
_DROP = 26  # from the line to the boxes
_BELOW = 34  # from the boxes to the next network
_MOST_IN_ROW = 6
_ROW_WIDTH = 1240  # of narrow boxes there are as many in a row as fit

_STYLE = """
  svg { background: #ffffff; }
  text { font: 11px ui-monospace, 'DejaVu Sans Mono', monospace; fill: #3d4858; }
  .name { font: bold 13px system-ui, sans-serif; fill: #1b2431; }
  .box { fill: #f3f5f8; stroke: #8592a6; }
  .router { fill: #fdf3dc; stroke: #b58a2e; }
  .net { stroke: #2f6fb5; stroke-width: 4; stroke-linecap: round; }
  .wire { stroke: #8592a6; stroke-width: 1.5; fill: none; }
  .down { stroke-dasharray: 3 4; }
  .end { fill: #2f6fb5; }
  .paper { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14181f; }
    text { fill: #c0c9d6; }
    .name { fill: #eef2f7; }
    .box { fill: #222936; stroke: #66748a; }
    .router { fill: #3a321f; stroke: #c39a45; }
    .net { stroke: #5b9be0; }
    .wire { stroke: #66748a; }
    .end { fill: #5b9be0; }
    .paper { fill: #14181f; }
  }
"""


@dataclass(frozen=True, slots=True)
class _Box:
    """A node, placed."""

    node: PlannedNode
    left: int
    top: int
    height: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where everything stands: boxes in the plan's order, networks by the height of their lines."""

    boxes: tuple[_Box, ...]
    lines: Mapping[str, int]
    box_width: int
    width: int
    height: int


def svg(plan: Plan) -> str:
    """Draw a plan; the same plan gives the same octets."""
    found = networks(plan)
    layout = _layout(plan, found)
    size = f'width="{layout.width}" height="{layout.height}" viewBox="0 0 {layout.width} {layout.height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>',
        f"<title>{escape(plan.name)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{layout.width}" height="{layout.height}"/>',
        *(part for network in found for part in _network(network, layout)),
        *(part for box in layout.boxes for part in _wires(box, layout)),
        *(part for box in layout.boxes for part in _box(box, layout)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _lines(node: PlannedNode) -> list[str]:
    return [*(interface(port) for port in node.ports), *facts(node)]


def _height(node: PlannedNode) -> int:
    return 2 * _PAD + _LINE * (1 + len(_lines(node)))


def _box_width(plan: Plan) -> int:
    widths = [len(line) * _CHARACTER for node in plan.nodes for line in _lines(node)]
    widths += [len(node.name) * _TITLE_CHARACTER for node in plan.nodes]
    return int(min(max(*widths, _NARROWEST), _WIDEST)) + 2 * _PAD


def _layout(plan: Plan, found: list[Network]) -> _Layout:
    box_width = _box_width(plan)
    step = box_width + _GUTTER
    hosts, joints = _by_first_network(plan)
    in_row = max(2, min(_MOST_IN_ROW, _ROW_WIDTH // step))
    columns = max([min(len(of), in_row) for of in hosts.values()], default=0)
    right = _MARGIN + _GUTTER // 2 + columns * step
    boxes: dict[str, _Box] = {}
    lines: dict[str, int] = {}
    top, number = _MARGIN, 0
    for network in found:
        lines[network.name] = top + _LABEL
        bottom = row_top = lines[network.name] + _DROP
        own = hosts.get(network.name, [])
        for start in range(0, len(own), in_row):
            row = own[start : start + in_row]
            for column, node in enumerate(row):
                left = _MARGIN + _GUTTER // 2 + column * step
                boxes[node.name] = _Box(node, left, row_top, _height(node))
            bottom = row_top + max(map(_height, row))
            row_top = bottom + _GUTTER
        for node in joints.get(network.name, []):
            boxes[node.name] = _Box(node, right + number * step, lines[network.name] + _DROP, _height(node))
            bottom = max(bottom, lines[network.name] + _DROP + _height(node))
            number += 1
        top = bottom + _BELOW
    labels = [len(" ".join([one.name, *one.facts])) * _TITLE_CHARACTER for one in found]
    width = max(right + number * step, int(max(labels, default=0)) + _MARGIN) + _MARGIN
    return _Layout(tuple(boxes[node.name] for node in plan.nodes), lines, box_width, width, top)


def _by_first_network(plan: Plan) -> tuple[dict[str, list[PlannedNode]], dict[str, list[PlannedNode]]]:
    """Return the nodes of one network, and those of several, each by the uppermost that they are on."""
    order = {switch.name: number for number, switch in enumerate(plan.switches)}
    hosts: dict[str, list[PlannedNode]] = {}
    joints: dict[str, list[PlannedNode]] = {}
    for node in plan.nodes:
        on = {port.switch for port in node.ports}
        (hosts if len(on) == 1 else joints).setdefault(min(on, key=order.__getitem__), []).append(node)
    return hosts, joints


def _network(network: Network, layout: _Layout) -> Iterator[str]:
    """Draw a network's line, and above it what it is."""
    height = layout.lines[network.name]
    told = escape("  ".join(network.facts))
    yield (
        f'<text x="{_MARGIN}" y="{height - 9}" xml:space="preserve">'
        f'<tspan class="name">{escape(network.name)}</tspan>  {told}</text>'
    )
    yield f'<path class="net" d="M{_MARGIN} {height}H{layout.width - _MARGIN}"/>'


def _wires(box: _Box, layout: _Layout) -> Iterator[str]:
    """Draw a node's interfaces: up to its first network, down to the others, each at its own place."""
    ports = box.node.ports
    for number, port in enumerate(ports):
        height = layout.lines[port.switch]
        x = box.left + layout.box_width * (number + 1) // (len(ports) + 1)
        if height > box.top:
            way = f"M{x} {box.top + box.height}V{height}"
        elif box.top - height == _DROP:
            way = f"M{x} {box.top}V{height}"
        else:
            # A lower row: the line comes down between the columns.
            x = box.left - _GUTTER // 2
            way = f"M{box.left} {box.top + box.height // 2}H{x}V{height}"
        yield f'<path class="{_wire_class(port)}" d="{way}"/>'
        yield f'<circle class="end" cx="{x}" cy="{height}" r="4"/>'
        if len(ports) > 1:
            y = box.top + box.height + 14 if height > box.top else box.top - 6
            yield f'<text x="{x + 5}" y="{y}">{escape(port.interface)}</text>'


def _wire_class(port: Port) -> str:
    return "wire" if port.up else "wire down"


def _box(box: _Box, layout: _Layout) -> Iterator[str]:
    kind = "box router" if box.node.router else "box"
    where = f'x="{box.left}" y="{box.top}" width="{layout.box_width}" height="{box.height}" rx="6"'
    yield f'<rect class="{kind}" {where}/>'
    x, y = box.left + _PAD, box.top + _PAD + 12
    yield f'<text class="name" x="{x}" y="{y}">{escape(_cut(box.node.name, _TITLE_CHARACTER))}</text>'
    for number, line in enumerate(_lines(box.node), 1):
        shown = _cut(line, _CHARACTER)
        hover = f"<title>{escape(line)}</title>" if shown != line else ""
        yield f'<text x="{x}" y="{y + number * _LINE}">{escape(shown)}{hover}</text>'


def _cut(line: str, character: float) -> str:
    """Shorten what is too long for the widest box."""
    room = int(_WIDEST / character)
    return line if len(line) <= room else line[: room - 1] + "…"
