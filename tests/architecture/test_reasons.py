"""Where a rule is switched off, the reason stands beside it: on the same line, for whoever reads that line."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = ("kitops_orchestration", "airflow_kitops", "dagster_kitops", "tests", "examples", "benchmarks", "tools")
SWITCHED_OFF = re.compile(
    r"(?:#\s*(?:noqa\b(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[a-z-, ]+\])?|pragma:[^#]*))+"
)
WORD = re.compile(r"[^\W\d_]{2,}|\d{3}")
BROAD = {"Exception", "BaseException"}


def comments(source: str) -> dict[int, str]:
    """Return the comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def broad_handlers(tree: ast.AST) -> Iterator[int]:
    """Yield the line of each handler that catches what nobody can foresee."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or (isinstance(kind, ast.Name) and kind.id in BROAD) for kind in kinds):
                yield node.lineno


def without_reason(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of what is switched off, or caught, without a word on why."""
    by_line = comments(source)
    broad = set(broad_handlers(ast.parse(source)))
    for line in sorted(broad | {line for line, text in by_line.items() if SWITCHED_OFF.search(text)}):
        reason = SWITCHED_OFF.sub("", by_line.get(line, ""))
        if len(WORD.findall(reason)) < 2:
            yield line, source.splitlines()[line - 1].strip()


@pytest.mark.parametrize("folder", FOLDERS)
def test_whatever_is_switched_off_says_why(root: Path, folder: str) -> None:
    assert [
        f"{path.relative_to(root)}:{line}: {text}"
        for path in sorted((root / folder).rglob("*.py"))
        for line, text in without_reason(path.read_text(encoding="utf-8"))
    ] == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import a  # noqa: F401\n", [1]),
        ("import a  # noqa\n", [1]),
        ("import a  # noqa: F401, E402 - bound as an attribute\n", []),
        ("x = f()  # type: ignore[attr-defined]\n", [1]),
        ("x = f()  # type: ignore\n", [1]),
        ("x = f()  # type: ignore[attr-defined]  # not in typeshed\n", []),
        ("x = f()  # type: ignore[misc]  # noqa: S101\n", [1]),
        ("try:\n    f()\nexcept Exception:\n    pass\n", [3]),
        ("try:\n    f()\nexcept:\n    raise\n", [3]),
        ("try:\n    f()\nexcept (BaseException, OSError):\n    raise\n", [3]),
        ("try:\n    f()\nexcept Exception:  # whatever a plugin raises\n    pass\n", []),
        ("try:\n    f()\nexcept OSError:\n    pass\n", []),
        ("x = '# noqa: F401'\n", []),
    ],
)
def test_the_search_finds_what_it_is_for(source: str, lines: list[int]) -> None:
    assert [line for line, _ in without_reason(source)] == lines
