"""Plain values into the YAML that Go's yaml.v3 writes with an indent of two.

PyYAML's emitter does the quoting (both descend from libyaml); what differs in yaml.v3 is decided here.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

from yaml import events
from yaml.emitter import Emitter, ScalarAnalysis

from kitops_orchestration.modelkit.kitfile import yaml_scalars
from kitops_orchestration.modelkit.kitfile.schema import FlowList

_BREAKS = frozenset("\r\x85\u2028\u2029")
_MAX_SIMPLE_KEY = 128
_NO_LIMIT = 2**30  # yaml.v3 never folds long lines


class _Emitter(Emitter):
    """PyYAML's emitter with sequences indented below their key."""

    def __init__(self, stream: io.StringIO) -> None:
        super().__init__(stream, indent=2, width=_NO_LIMIT, allow_unicode=True)

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's call
        """Indent every sequence."""
        super().increase_indent(flow=flow, indentless=False)

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        """Escape what yaml.v3 does not print: characters beyond the basic plane, and Unicode's line breaks."""
        analysis = super().analyze_scalar(scalar)
        if any(char in _BREAKS or char > "\uffff" for char in scalar):
            analysis.multiline = analysis.multiline or not _BREAKS.isdisjoint(scalar)
            analysis.allow_flow_plain = analysis.allow_block_plain = False
            analysis.allow_single_quoted = analysis.allow_block = False
        return analysis

    def check_simple_key(self) -> bool:
        """Tell whether a key fits before its colon; unlike PyYAML's, an empty one does."""
        text = str(getattr(self.event, "value", ""))
        self.analysis = self.analysis or self.analyze_scalar(text)
        return not self.analysis.multiline and len(text.encode()) <= _MAX_SIMPLE_KEY


def dump(value: Any) -> str:
    """Return YAML text; mappings keep the order that they have."""
    stream = io.StringIO()
    emitter = _Emitter(stream)
    emitter.emit(events.StreamStartEvent())
    emitter.emit(events.DocumentStartEvent(explicit=False))
    for event in _events(value, flow=False):
        emitter.emit(event)
    emitter.open_ended = False  # PyYAML would end the document with "..." after a text that ends in blank lines
    emitter.emit(events.DocumentEndEvent(explicit=False))
    emitter.emit(events.StreamEndEvent())
    return stream.getvalue()


def _events(value: Any, *, flow: bool) -> Iterator[events.Event]:
    if isinstance(value, dict):
        yield events.MappingStartEvent(None, None, implicit=True, flow_style=flow or not value)
        for key, item in value.items():
            yield _scalar(key, flow=flow)
            yield from _events(item, flow=flow)
        yield events.MappingEndEvent()
    elif isinstance(value, (list, tuple)):
        in_flow = flow or isinstance(value, FlowList)
        yield events.SequenceStartEvent(None, None, implicit=True, flow_style=in_flow or not value)
        for item in value:
            yield from _events(item, flow=in_flow)
        yield events.SequenceEndEvent()
    else:
        yield _scalar(value, flow=flow)


def _scalar(value: Any, *, flow: bool) -> events.ScalarEvent:
    if isinstance(value, str) and not isinstance(value, yaml_scalars.Timestamp):
        return _text(value, in_flow=flow)
    if value is None:
        text = "null"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float):
        text = yaml_scalars.format_float(value)
    else:
        text = str(value)
    return events.ScalarEvent(None, None, (True, False), text, style=None)


def _text(text: str, *, in_flow: bool) -> events.ScalarEvent:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        encoded = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")
        return events.ScalarEvent(None, "tag:yaml.org,2002:binary", (False, False), encoded, style=None)
    style = None if yaml_scalars.is_plain_text(text) else '"'
    if "\n" in text:
        style = '"' if in_flow else "|"
    return events.ScalarEvent(None, None, (style is None, True), text, style=style)
