"""Secrets in text, found by shape: tokens, private keys, passwords in URLs and in assignments.

One list for everybody: the gate that a folder passes before it is packed, and the redaction of what is exported from
MLflow.  Entropy alone is never enough: digests, embeddings and protein text have all of it.

The search is linear.  Every shape has a literal text, its anchor, that is looked for with ``str.find``; the pattern is
tried there and nowhere else, and each of its repeats has an upper bound.  Text that is full of anchors must not cost
more than about a second for a MiB, so a new shape needs an anchor that is rare, and no ``.*``.

    >>> find("password: hunter2-and-7-more")
    [Finding(rule='plain-assignment', kind='a value of password', start=10, end=28, line=1, is_sure=False)]
"""

from __future__ import annotations

from dataclasses import dataclass

from kitops_orchestration.secret_shapes.arguments import arguments
from kitops_orchestration.secret_shapes.assignments import assignments, is_secret_name
from kitops_orchestration.secret_shapes.hit import Hit
from kitops_orchestration.secret_shapes.tokens import tokens
from kitops_orchestration.secret_shapes.urls import urls

__all__ = ["REDACTED", "RULES_VERSION", "Finding", "find", "is_secret_name", "redact"]

RULES_VERSION = "3"
"""Raised when a rule finds more or less than before, so that what was looked at can be told apart."""
REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class Finding:
    """One secret in a text."""

    rule: str
    """Short name of the rule; in source code a ``plain-assignment`` (without quotes) is an expression and no value."""
    kind: str
    """What it is, in words for people."""
    start: int
    end: int
    """The value, as a slice of the text."""
    line: int
    """Counted from 1."""
    is_sure: bool
    """False for a value that only its name makes a secret: in source code that is often a default or an example."""


def find(text: str) -> list[Finding]:
    """Return the secrets of a text in their order; of two that overlap the first stays, a sure one before a likely one.

    Placeholders (``${TOKEN}``, ``<your key>``, ``hf_xxxxxxxx``) are none.
    """
    hits = sorted({*tokens(text), *urls(text), *assignments(text), *arguments(text)}, key=_order)
    found: list[Finding] = []
    line, counted, end = 1, 0, 0
    for start, stop, rule, kind, is_sure in sorted(_without_overlaps(hits)):
        if start < end:
            continue
        line += text.count("\n", counted, start)
        counted, end = start, stop
        found.append(Finding(rule, kind, start, stop, line, is_sure))
    return found


def redact(text: str, replacement: str = REDACTED) -> str:
    """Return the text with every secret replaced."""
    pieces, done = [], 0
    for finding in find(text):
        pieces += [text[done : finding.start], replacement]
        done = finding.end
    return "".join([*pieces, text[done:]])


def _order(hit: Hit) -> tuple[bool, int, int]:
    start, stop, _, _, is_sure = hit
    return not is_sure, start, -stop


def _without_overlaps(hits: list[Hit]) -> list[Hit]:
    """Keep the sure ones, and of the likely ones those that touch no sure one; both are sorted already."""
    sure = [hit for hit in hits if hit[4]]
    likely = [hit for hit in hits if not hit[4]]
    kept, index = [], 0
    for hit in likely:
        while index < len(sure) and sure[index][1] <= hit[0]:
            index += 1
        if index == len(sure) or sure[index][0] >= hit[1]:
            kept.append(hit)
    return [*sure, *kept]
