"""A card in a file: what is wrong with it is told with the line on which it stands, all of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.lineage.statements.card import CardProblem, card_problems

MOST_TOLD = 10


def check_card_file(value: Any, content: bytes, name: str) -> None:
    """Raise :class:`SignatureError` for a card that cannot be attached: each problem with file, line and field.

    ``value`` is what was read from ``content``, YAML or JSON, which is looked at again for the lines alone.
    """
    found = list(card_problems(value))
    if not found:
        return
    lines = dict(_lines(content))
    told = [f"{name}:{_line(problem, lines)}: {problem.field or 'the card'}: {problem.words}" for problem in found]
    more = [f"and {len(told) - MOST_TOLD} more"] if len(told) > MOST_TOLD else []
    advice = next((problem.advice for problem in found if problem.advice), None)
    raise SignatureError("; ".join([*told[:MOST_TOLD], *more]), advice=advice)


def _line(problem: CardProblem, lines: dict[str, int]) -> int:
    """Return the line of the member, else that of what it would be in."""
    return lines.get(problem.field) or lines.get(problem.field.partition(".")[0]) or 1


def _lines(content: bytes) -> Iterator[tuple[str, int]]:
    import yaml

    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return  # JSON that YAML does not read (tabs, lists in hundreds of lists): told without lines
    for key, value in _members(root):
        yield str(key.value), key.start_mark.line + 1
        if key.value == "sections":
            for name, _ in _members(value):
                yield f"sections.{name.value}", name.start_mark.line + 1


def _members(node: Any) -> list[Any]:
    return [pair for pair in node.value if pair[0].id == "scalar"] if getattr(node, "id", "") == "mapping" else []
