"""Answers as somebody at a terminal sees them: aligned, wrapped to the screen, and without a pipe or a star."""

from __future__ import annotations

import click

from kitops_orchestration.cli.output import human_bytes
from kitops_orchestration.cli.table import format_table
from kitops_orchestration.cli.terminal_page import as_terminal_text

DIGEST = "sha256:" + "0123456789ab" + "c" * 52
PAGE = f"""# Lineage of iris

Every **statement** was `checked`.

| event | what |
| --- | --- |
| signed | by Ada \\| Bob |
| tested | {DIGEST} &lt;b&gt; |

- one
"""


def text(width: int | None = None) -> str:
    return click.unstyle(as_terminal_text(PAGE, width=width))


def test_tables_are_aligned_and_escapes_undone() -> None:
    assert text().splitlines() == [
        "Lineage of iris",
        "",
        "Every statement was checked.",
        "",
        "event   what",
        "signed  by Ada | Bob",
        f"tested  {DIGEST} <b>",
        "",
        "- one",
    ]


def test_headings_stand_out_on_a_terminal() -> None:
    assert as_terminal_text("# Title") == click.style("Title", bold=True)


def test_digests_are_shortened_before_anything_is_wrapped() -> None:
    assert "tested  sha256:0123456789ab <b>" in text(40).splitlines()


def test_no_line_of_a_table_is_wider_than_the_screen() -> None:
    rows = [("a name of many words", "x" * 90, "three words here")]
    lines = [click.unstyle(line) for line in format_table(("name", "value", "why"), rows, width=48)]
    assert max(map(len, lines)) <= 48
    assert "".join(line[10:30].strip() for line in lines).count("x") > 0


def test_a_pipe_gets_every_row_on_one_line() -> None:
    assert len(format_table(("name",), [("word " * 100,)])) == 2


def test_paragraphs_break_between_words() -> None:
    assert as_terminal_text("- " + "word " * 10, width=20).splitlines()[1].startswith("  word")


def test_sizes_are_floored_binary_units() -> None:
    assert [human_bytes(size) for size in (0, 1023, 1024, 5900, 3 * 1024**3)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.7 KiB",
        "3.0 GiB",
    ]
