"""What draws a lab, by the format that `netlab graph` is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netlab.plan.model import Plan
from netlab.report.graph import dot, mermaid, text
from netlab.report.picture import svg

FORMATS: Mapping[str, Callable[[Plan], str]] = {"text": text, "mermaid": mermaid, "dot": dot, "svg": svg}
