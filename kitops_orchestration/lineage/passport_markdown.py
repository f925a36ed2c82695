"""The passport as Markdown: for a pull request, a ticket, a wiki."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.lineage import report
from kitops_orchestration.lineage.annex_iv import NOTICE, annex_points
from kitops_orchestration.lineage.recorded import vouched

if TYPE_CHECKING:
    from kitops_orchestration.lineage.passport_facts import PassportFacts


def render(passport: PassportFacts) -> str:
    """Return the page."""
    lineage = passport.version.lineage
    return report.page(
        f"{passport.name} {passport.version_name}",
        report.cell(passport.description),
        report.table(("", ""), _identity(passport)),
        report.section("Metrics", _metrics(passport), "No metric is on record."),
        report.section("Made from", _origins(passport), "The origin is not declared."),
        report.section("Tests", _tests(passport), "No test result is on record."),
        report.section("Sign-offs", _sign_offs(passport), "Nobody decided about this version."),
        report.section("In service", _running(passport), "It is not known to be in service anywhere."),
        report.section("Reports", report.table(("type", "who says so"), _reports(passport)), None),
        report.section(
            "Not counted",
            report.table(("statement", "why"), [(item.predicate_type, item.reason) for item in lineage.not_counted]),
            None,
        ),
        report.section("EU AI Act, Annex IV", _annex(passport), None),
    )


def _identity(passport: PassportFacts) -> list[tuple[str, object]]:
    kit, verdict = passport.version.kit, passport.verdict
    model = kit.kitfile.model
    return [
        ("Reference", kit.reference),
        ("Digest", passport.digest),
        ("Licence", passport.licence or "not stated"),
        ("Authors", ", ".join(kit.kitfile.package.authors) or "not stated"),
        ("Framework", model.framework if model else ""),
        ("Size", f"{kit.size_bytes:,} bytes in {len(kit.layers)} layers"),
        ("Signature", "not checked: no trust policy was given" if verdict is None else verdict.reason),
    ]


def _metrics(passport: PassportFacts) -> str:
    names = sorted({name for item in passport.history for name in item.metrics} | set(passport.metrics))
    if not names:
        return ""
    versions = [(item.tag, item.metrics) for item in passport.history]
    if all(item.digest != passport.digest for item in passport.history):  # there are many, or none were asked for
        versions.append((passport.version_name, passport.metrics))
    rows = [(tag, *(metrics.get(name, "") for name in names)) for tag, metrics in versions]
    return report.table(("version", *names), rows)


def _origins(passport: PassportFacts) -> str:
    lineage = passport.version.lineage
    rows: list[tuple[object, ...]] = [("code", item.shown, item.identity, "provenance") for item in lineage.source]
    for use in passport.data.data:
        by = "" if use.depth == 0 else f" (for {use.reference.repository})"
        rows.append(("data", use.data.shown + by, use.data.identity, use.said_by))
    rows += [("base model", item.shown, item.identity, "") for item in passport.data.base_models]
    return report.table(("", "name", "identity", "said by"), rows)


def _tests(passport: PassportFacts) -> str:
    rows = [
        (
            test.time,
            test.predicate.result,
            metric.name,
            metric.value,
            f"{metric.comparator or ''} {metric.threshold or ''}",
        )
        for test in passport.version.lineage.tests
        for metric in test.predicate.metrics
    ]
    return report.table(("time", "result", "metric", "value", "wanted"), rows)


def _sign_offs(passport: PassportFacts) -> str:
    rows = [
        (
            item.record.predicate.environment,
            item.record.predicate.decision,
            item.record.evidence.signer_name or "unknown",
            item.record.time,
            item.reason,
        )
        for item in passport.sign_offs.decisions
    ]
    return report.table(("environment", "decision", "by", "time", "verdict"), rows)


def _running(passport: PassportFacts) -> str:
    rows = [
        (item.environment, item.target.shown, item.record.time, item.record.believed()) for item in passport.running
    ]
    return report.table(("environment", "place", "since", "who says so"), rows)


def _reports(passport: PassportFacts) -> list[tuple[object, ...]]:
    return [(item.predicate_type, vouched(item)) for item in passport.version.lineage.reports]


def _annex(passport: PassportFacts) -> str:
    rows = [
        (point.number, point.title, point.status, "; ".join(point.facts), point.needed or "")
        for point in annex_points(passport)
    ]
    return NOTICE + "\n\n" + report.table(("", "point", "status", "on record", "to be written"), rows)
