"""What is told about a release: one page of the core's presentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.presentation.page import Code, Facts, Page, Paragraph, Section

if TYPE_CHECKING:
    from airflow_kitops.hooks import KitOpsHook


def release_page(hook: KitOpsHook, facts: Mapping[str, Any]) -> Page:
    """Return the page about what a task returned: what it is, where it is now, and what is new against before."""
    where = Reference.parse(str(facts["reference"]))
    stage, before = facts.get("stage"), facts.get("previousDigest")
    name = f"{where.repository}:{where.tag}" if where.tag else where.repository
    title = f"{name} is in {stage}" if stage else f"{name} is there"
    return Page.of(
        title,
        Facts.of(
            ("ModelKit", Code(where.name)),
            ("digest", Code(str(where.digest)) if where.digest else None),
            ("stage", stage),
            ("before", Code(str(before)) if before else "nothing"),
            ("approved by", facts.get("approver")),
        ),
        *_news(hook, where, before),
    )


def _news(hook: KitOpsHook, where: Reference, before: str | None) -> tuple[Section, ...]:
    if before is None or before == where.digest:
        return ()
    try:
        changes = hook.client.bare.diff(where.without_target().with_digest(before), where, reads_folders=False)
    except KitOpsError as error:  # the message is worth more than what it says of the version before
        return (Section.of("What is new", Paragraph.of(f"That could not be read: {error}")),)
    same = Paragraph.of("No difference." if changes.is_same else None)
    return (Section.of("What is new", same, *changes.sections(("before", "now"))),)
