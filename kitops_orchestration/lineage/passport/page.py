"""The passport's page: every form of it, a terminal's or a browser's, is made from this one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.lineage.answers.witnessed import checkpoints_section
from kitops_orchestration.lineage.passport import chart, picture
from kitops_orchestration.lineage.passport.annex_iv import NOTICE, annex_points
from kitops_orchestration.lineage.passport.statements import not_counted, statements, who
from kitops_orchestration.lineage.passport.verdicts import verdicts
from kitops_orchestration.lineage.statements.recorded import vouched_chip
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.presentation.page import (
    Cell,
    Chip,
    Code,
    Drawing,
    Facts,
    Lines,
    Link,
    Measure,
    Measures,
    Mood,
    Page,
    Paragraph,
    Section,
    Strong,
    Table,
)
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts
    from kitops_orchestration.lineage.answers.training_data import DataUse
    from kitops_orchestration.lineage.statements.card import Written
    from kitops_orchestration.lineage.statements.dependencies import Dependency

_MOODS: dict[str, Mood] = {"filled": "good", "partly": "warn", "text needed": ""}


def passport_page(passport: PassportFacts) -> Page:
    """Return the page."""
    return Page.of(
        passport.name,
        Paragraph.of(passport.description),
        verdicts(passport),
        Section.of("Lineage", Drawing(picture.draw(passport))),
        Section.of("Metrics", _metrics(passport)),
        _origins(passport),
        Section.of("Identity", _identity(passport), is_half=True),
        Section.of("Run", *run_facts(passport), is_half=True),
        _evidence(passport),
        *([checkpoints_section(passport.witnessed)] if passport.witnessed else []),
        *passport.version.lineage.followed.sections(),
        _card(passport),
        _annex(passport),
        kind="Model passport",
        version=passport.version_name,
        subject=str(passport.reference),
        footer=(
            "Made from the registry alone, without reading a weight, and as true as what is signed there. ",
            "Make it again: ",
            Code(f"kitctl passport {passport.reference}"),
        ),
    )


def _metrics(passport: PassportFacts) -> Measures:
    measures = []
    for course in chart.courses(passport):
        change = "" if course.change is None else f"{course.change:+.4g} to the version before"
        drawn = chart.draw(course)
        value = Code(course.current, course.shown)
        measures.append(Measure(course.name, value, change, None if drawn is None else Drawing(drawn)))
    return Measures(tuple(measures), _metrics_table(passport))


def _metrics_table(passport: PassportFacts) -> Table:
    names = sorted({name for item in passport.history for name in item.metrics} | set(passport.metrics))
    versions = [(item.tag, item.metrics) for item in passport.history]
    if all(item.digest != passport.digest for item in passport.history):  # there are many, or none were asked for
        versions.append((passport.version_name, passport.metrics))
    rows = [(tag, *(metrics.get(name, "") for name in names)) for tag, metrics in versions] if names else []
    return Table.of(("version", *names), rows, empty="No metric is on record.")


def _origins(passport: PassportFacts) -> Section:
    rows: list[tuple[Cell, ...]] = [
        *map(_data_row, passport.data.data),
        *(("base model", _base_name(item), _identity_of(item), "", "") for item in passport.data.base_models),
        *(
            ("code", Strong(item.shown), _identity_of(item), _facts_of(item), Chip("provenance"))
            for item in passport.version.lineage.source
        ),
    ]
    table = Table.of(("kind", "name", "identity", "about it", "said by"), rows, empty="Nothing is declared.")
    return Section.of("Made from", table, *(Paragraph.of(gap, is_note=True) for gap in passport.data.gaps))


def _data_row(use: DataUse) -> tuple[Cell, ...]:
    through = "" if use.depth == 0 else f"through {use.reference.repository}"
    said = Chip("provenance, verified", "good") if use.is_verified else Chip(use.said_by)
    about = ", ".join(text for text in (through, _facts_of(use.data)) if text)
    return "data", Strong(use.data.shown), _identity_of(use.data), about, said


def _base_name(item: Dependency) -> Strong:
    """Return repository and tag of a base model; what identifies it stands beside it."""
    try:
        reference = Reference.parse((item.uri or "").removeprefix("oci://"))
    except InvalidReferenceError:
        return Strong(item.shown)
    return Strong(reference.repository + (f":{reference.tag}" if reference.tag else ""))


def _identity_of(item: Dependency) -> Code:
    short = ", ".join(f"{key}:{value[:12]}" for key, value in sorted(item.digest.items()))
    return Code(item.identity, short)


def _facts_of(item: Dependency) -> str:
    wanted = ("context", "path", "branch", "licence", "rows")
    return ", ".join(f"{key} {item.annotations[key]}" for key in wanted if item.annotations.get(key) is not None)


def _identity(passport: PassportFacts) -> Facts:
    kit, files = passport.version.kit, passport.version.files
    model = kit.kitfile.model
    listed = "no signed list"
    if files is not None:
        listed = f"{len(files.files.files)}, each by digest, list signed by {who(files.evidence)}"
    return Facts.of(
        ("Digest", Code(passport.digest)),
        ("Licence", passport.licence or "not stated"),
        ("Authors", ", ".join(kit.kitfile.package.authors) or "not stated"),
        ("Framework", (model.framework if model else "") or "not stated"),
        ("Size", f"{kit.size_bytes:,} bytes in {len(kit.layers)} layers"),
        ("Files", listed),
    )


def run_facts(passport: PassportFacts) -> Iterator[Facts | Paragraph]:
    """Yield who and what made the version: the orchestrator's run and the tracker's, by its provenance."""
    build = passport.version.lineage.provenance
    if build is None:
        left = not_counted(passport, predicate_types.PROVENANCE)
        on_record = (
            f"{left} provenance {'is' if left == 1 else 'are'} on record, and not counted: the table below says why."
        )
        yield Paragraph.of(on_record if left else "No provenance is on record.", is_note=True)
        return
    run, source = build.orchestrator, build.source
    names = (("Orchestrator", "type"), ("Job", "job"), ("Task", "task"), ("Run", "runId"), ("By", "user"))
    yield Facts.of(
        *((label, str(run[key])) for label, key in names if run.get(key) is not None),
        ("Tracking", _tracked(source)),
        ("Trained", build.trained_on),
        ("Packed", build.finished_on),
        ("Builder", Code(build.builder_id)),
    )


def _tracked(source: Mapping[str, Any]) -> Cell:
    """Return the run that made the model, as a link whose text is where it leads: a builder wrote the address."""
    uri, url = (str(source[name]) if source.get(name) else "" for name in ("uri", "url"))
    return Link(url, url, is_code=True) if url.startswith(("http://", "https://")) else Code(uri) if uri else None


def _evidence(passport: PassportFacts) -> Section:
    rows = [
        (item.kind, Strong(item.by), item.what, _moment(item.evidence.when), item.verdict)
        for item in statements(passport)
    ]
    head = ("kind", "by", "what", "when (UTC)", "verdict")
    return Section.of(
        "Who vouches, who decided, where it went", Table.of(head, rows, empty="No statement is attached.")
    )


def _moment(time: str | None) -> str:
    return (time or "").replace("T", " ").removesuffix(":00Z")


def _card(passport: PassportFacts) -> Section:
    """What people wrote: text that counts, or that nobody checked; of what does not count only that it is there."""
    sections = [
        Section.of(item.title, *_paragraphs(item.text), _written_by(item)) for item in passport.version.lineage.written
    ]
    left = not_counted(passport, predicate_types.CARD)
    there = "1 statement is" if left == 1 else f"{left} statements are"
    note = f"{there} on record, and not counted: the table above says why." if left else None
    empty = None if sections or left else "Nobody wrote anything yet."
    return Section.of("Card", Paragraph.of(empty or note, is_note=True), *sections)


def _paragraphs(text: str) -> Iterator[Paragraph]:
    for part in re.split(r"\n\s*\n", text.strip()):
        yield Paragraph.of(part)


def _written_by(item: Written) -> Paragraph:
    when = _moment(item.card.when).removesuffix("Z")
    named = f", who names {item.named_author} as the author" if item.named_author else ""
    told = f"Written by {who(item.card.evidence)}{named}" + (f", {when} UTC" if when else "")
    return Paragraph.of(f"{told} · ", vouched_chip(item.card.evidence), is_note=True)


def _annex(passport: PassportFacts) -> Section:
    rows = [
        (
            str(point.number),
            Strong(point.title),
            Chip(point.status, _MOODS[point.status]),
            Lines(point.facts),
            point.needed or "",
        )
        for point in annex_points(passport)
    ]
    head = ("point", "title", "status", "on record", "somebody has to write")
    return Section.of("EU AI Act, Annex IV", Paragraph.of(NOTICE, is_note=True), Table.of(head, rows))
