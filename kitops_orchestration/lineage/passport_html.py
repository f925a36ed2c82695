"""The passport as one HTML page: no script, no font, no picture from elsewhere, so that it can be mailed and kept.

Everything that comes from a registry is escaped; nothing on the page becomes a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.lineage import passport_chart, passport_picture
from kitops_orchestration.lineage.annex_iv import NOTICE, annex_points
from kitops_orchestration.lineage.passport_elements import Html, chip, code, facts_list, strong, table
from kitops_orchestration.lineage.passport_style import CSS
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.lineage.dependencies import Dependency
    from kitops_orchestration.lineage.passport_facts import PassportFacts
    from kitops_orchestration.lineage.predicates import Deployment, TestResult
    from kitops_orchestration.lineage.recorded import Recorded
    from kitops_orchestration.lineage.sign_offs import SignOff
    from kitops_orchestration.lineage.training_data import DataUse
    from kitops_orchestration.signing.evidence import Evidence


def render(passport: PassportFacts) -> str:
    """Return the page."""
    title = escape(f"{passport.name} {passport.version_name}: model passport")
    body = "\n".join(
        [
            _header(passport),
            _picture(passport),
            _metrics(passport),
            _origins(passport),
            _trust(passport),
            _annex(passport),
            _footer(passport),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{CSS}</style></head>\n<body><main>\n{body}\n</main></body></html>\n"
    )


def _header(passport: PassportFacts) -> str:
    tiles = "".join(_tile(*tile) for tile in _tiles(passport))
    description = f'<p class="lead">{escape(passport.description)}</p>' if passport.description else ""
    return (
        '<section class="sheet"><p class="over">Model passport</p>'
        f'<h1>{escape(passport.name)}<span class="version">{escape(passport.version_name)}</span></h1>'
        f'{description}<code class="ref">{escape(str(passport.reference))}</code>'
        f'<div class="tiles">{tiles}</div></section>'
    )


def _tile(label: str, verdict: str, detail: str, mood: str) -> str:
    return (
        f'<div class="tile {mood}"><small>{escape(label)}</small><b>{escape(verdict)}</b>'
        f"<span>{escape(detail)}</span></div>"
    )


def _tiles(passport: PassportFacts) -> list[tuple[str, str, str, str]]:
    return [_signature_tile(passport), _origin_tile(passport), _sign_off_tile(passport), _service_tile(passport)]


def _signature_tile(passport: PassportFacts) -> tuple[str, str, str, str]:
    verdict = passport.verdict
    if verdict is None:
        return "Signature", "Not checked", "no trust policy was given", "warn"
    if verdict.is_verified:
        names = {item.signer: item.signer_name for item in passport.version.lineage.signatures}
        shown = ", ".join(names.get(signer) or signer for signer in verdict.signers)
        return "Signature", "Verified", f"by {shown}", "good"
    return "Signature", "Does not verify" if verdict.signatures else "Not signed", verdict.reason, "bad"


def _origin_tile(passport: PassportFacts) -> tuple[str, str, str, str]:
    builds = passport.version.lineage.builds
    if not builds:
        return "Origin", "Not declared", "no provenance that counts", "warn"
    count = len(passport.data.data)
    detail = f"{count} data {'set' if count == 1 else 'sets'} named" + (
        "" if passport.data.is_complete else ", with gaps"
    )
    is_good = builds[-1].evidence.is_verified
    return "Origin", "Verified" if is_good else "Declared, not checked", detail, "good" if is_good else "warn"


def _sign_off_tile(passport: PassportFacts) -> tuple[str, str, str, str]:
    offs = passport.sign_offs
    if not offs.environments:
        return "Sign-off", "None", "nobody decided about this version", "warn"
    if passport.verdict is None:
        return "Sign-off", "Not checked", f"{len(offs.decisions)} on record", "warn"
    approved = [name for name in offs.environments if offs.is_approved(name)]
    rejected = [name for name in offs.environments if offs.rejections(name)]
    if approved:
        people = sum(len(offs.approvers(name)) for name in approved[:1])
        return "Sign-off", "Approved", f"for {', '.join(approved)}, by {people} of {offs.threshold} needed", "good"
    if rejected:
        return "Sign-off", "Rejected", f"for {', '.join(rejected)}", "bad"
    return "Sign-off", "Not approved", f"{offs.threshold} approvals are needed", "warn"


def _service_tile(passport: PassportFacts) -> tuple[str, str, str, str]:
    count = len(passport.running)
    if not count:
        return "In service", "Nowhere", "no deployment is on record", ""
    environments = sorted({item.environment for item in passport.running})
    places = f"{count} {'place' if count == 1 else 'places'}"
    is_good = all(item.record.evidence.is_verified for item in passport.running)
    return "In service", places, ", ".join(environments), "good" if is_good else "warn"


def _picture(passport: PassportFacts) -> str:
    legend = (
        '<div class="legend"><span><i class="v"></i>checked against the trust policy</span>'
        '<span><i class="o"></i>on record, not checked</span></div>'
    )
    return f'<section class="sheet"><h2>Lineage</h2>{passport_picture.draw(passport)}{legend}</section>'


def _metrics(passport: PassportFacts) -> str:
    cards = []
    for course in passport_chart.courses(passport):
        change = (
            "" if course.change is None else f'<span class="chip">{course.change:+.4g} to the version before</span>'
        )
        cards.append(
            f'<div class="metric"><div class="label">{escape(course.name)}</div>'
            f'<div class="value" title="{escape(course.current)}">{escape(course.shown)}</div>'
            f"{change}{passport_chart.draw(course)}</div>"
        )
    body = f'<div class="metrics">{"".join(cards)}</div>' if cards else '<p class="note">No metric is on record.</p>'
    return f'<section class="sheet"><h2>Metrics</h2>{body}</section>'


def _origins(passport: PassportFacts) -> str:
    lineage, kit = passport.version.lineage, passport.version.kit
    rows = [
        *map(_data_row, passport.data.data),
        *(("base model", _base_name(item), _identity(item), "", "") for item in passport.data.base_models),
        *(("code", strong(item.shown), _identity(item), _facts(item), "") for item in lineage.source),
    ]
    gaps = "".join(f'<p class="note">{escape(gap)}</p>' for gap in passport.data.gaps)
    body = table(("", "name", "identity", "", "said by"), rows) or '<p class="note">Nothing is declared.</p>'
    model = kit.kitfile.model
    facts = [
        ("Digest", code(passport.digest)),
        ("Licence", passport.licence or "not stated"),
        ("Authors", ", ".join(kit.kitfile.package.authors) or "not stated"),
        ("Framework", (model.framework if model else "") or "not stated"),
        ("Size", f"{kit.size_bytes:,} bytes in {len(kit.layers)} layers"),
        ("Files", "no signed list" if passport.version.files is None else _file_count(passport)),
    ]
    return (
        f'<section class="sheet"><h2>Made from</h2>{body}{gaps}</section>'
        f'<div class="two"><section class="sheet"><h2>Identity</h2>{facts_list(facts)}</section>'
        f'<section class="sheet"><h2>Run</h2>{_run(passport)}</section></div>'
    )


def _data_row(use: DataUse) -> Sequence[object]:
    through = "" if use.depth == 0 else f"through {use.reference.repository}"
    said = chip("provenance, verified", "good") if use.is_verified else chip(use.said_by, "")
    facts = ", ".join(text for text in (through, _facts(use.data)) if text)
    return "data", strong(use.data.shown), _identity(use.data), facts, said


def _base_name(item: Dependency) -> Html:
    """The repository and tag of a base model; the registry is in the tip."""
    try:
        reference = Reference.parse((item.uri or "").removeprefix("oci://"))
    except InvalidReferenceError:
        return strong(item.shown)
    shown = reference.repository + (f":{reference.tag}" if reference.tag else "")
    return Html(f'<span class="name" title="{escape(str(reference), quote=True)}">{escape(shown)}</span>')


def _file_count(passport: PassportFacts) -> str:
    files = passport.version.files
    return "" if files is None else f"{len(files.files.files)}, each by digest, list signed by {_who(files.evidence)}"


def _run(passport: PassportFacts) -> str:
    build = passport.version.lineage.provenance
    if build is None:
        return '<p class="note">No provenance is on record.</p>'
    run, source = build.orchestrator, build.source
    names = (("Orchestrator", "type"), ("Job", "job"), ("Task", "task"), ("Run", "runId"), ("By", "user"))
    facts: list[tuple[str, object]] = [(label, str(run[key])) for label, key in names if run.get(key) is not None]
    if source.get("uri"):
        facts.append(("Tracking", code(str(source["uri"]))))
    if build.finished_on:
        facts.append(("Finished", build.finished_on))
    facts.append(("Builder", code(build.builder_id)))
    return facts_list(facts)


def _trust(passport: PassportFacts) -> str:
    lineage = passport.version.lineage
    rows = [
        *(_row("signature", item, "on the ModelKit") for item in lineage.signatures),
        *(_row("test", test.evidence, _test_text(test.predicate), _test_verdict(test)) for test in lineage.tests),
        *(_decision_row(item, is_checked=passport.verdict is not None) for item in passport.sign_offs.decisions),
        *(_row("promotion", item.evidence, f"to {item.predicate.to_stage}") for item in lineage.promotions),
        *(_row("deployment", item.evidence, _deployment_text(item.predicate)) for item in lineage.deployments),
        *(_row("report", item, _report_text(item)) for item in lineage.reports if _is_shown(item)),
    ]
    body = table(("", "by", "what", "when (UTC)", ""), rows) or '<p class="note">No statement is attached.</p>'
    left = [
        (predicate_types.short_name(item.predicate_type or "?"), chip(item.reason, "bad"))
        for item in lineage.not_counted
    ]
    rest = f"<h3>Attached, and not counted</h3>{table(('statement', 'why'), left)}" if left else ""
    return f'<section class="sheet"><h2>Who vouches, who decided, where it went</h2>{body}{rest}</section>'


def _row(kind: str, evidence: Evidence, text: str, verdict: Html | None = None) -> Sequence[object]:
    return kind, strong(_who(evidence)), text, _moment(evidence.time), verdict or _verdict(evidence)


def _decision_row(decision: SignOff, *, is_checked: bool) -> Sequence[object]:
    approval = decision.record.predicate
    text = f"{approval.decision.lower()} for {approval.environment}"
    if approval.comment:
        text += f": {approval.comment}"
    if approval.decision != "APPROVED" and decision.record.evidence.is_verified:
        verdict = chip("stands against it", "bad")
    else:
        verdict = chip("stands", "good") if decision.counts else chip(decision.reason, "bad" if is_checked else "warn")
    return _row("decision", decision.record.evidence, text, verdict)


def _test_verdict(test: Recorded[TestResult]) -> Html | None:
    return chip("failed", "bad") if test.evidence.is_verified and test.predicate.result == "FAILED" else None


def _test_text(result: TestResult) -> str:
    measured = [
        f"{metric.name} {metric.value}" + (f" ({metric.comparator} {metric.threshold})" if metric.threshold else "")
        for metric in result.metrics
    ]
    return f"{result.result.lower()}{': ' if measured else ''}{', '.join(measured)}"


def _report_text(item: Evidence) -> str:
    if item.predicate_type == predicate_types.DIRECTORY:
        return "list of all files by digest"
    return predicate_types.short_name(item.predicate_type or "unknown type")


def _is_shown(item: Evidence) -> bool:
    return item.predicate_type != predicate_types.FILE_LIST  # only ties the list of files to the ModelKit


def _deployment_text(found: Deployment) -> str:
    return f"{found.action}: {found.environment}, {found.target.shown}"


def _moment(time: str | None) -> Html:
    return Html(f'<span class="nowrap">{escape((time or "").replace("T", " ").removesuffix(":00Z"))}</span>')


def _annex(passport: PassportFacts) -> str:
    moods = {"filled": "good", "partly": "warn", "text needed": ""}
    rows = [
        (
            str(point.number),
            strong(point.title),
            chip(point.status, moods[point.status]),
            Html("<br>".join(map(escape, point.facts))),
            point.needed or "",
        )
        for point in annex_points(passport)
    ]
    body = table(("", "point", "status", "on record", "somebody has to write"), rows)
    return f'<section class="sheet"><h2>EU AI Act, Annex IV</h2><p class="note">{escape(NOTICE)}</p>{body}</section>'


def _footer(passport: PassportFacts) -> str:
    command = f"kitctl passport {passport.reference}"
    return (
        "<footer>Made from the registry alone, without reading a weight, and as true as what is signed there. "
        f"Make it again: <code>{escape(command)}</code></footer>"
    )


def _who(evidence: Evidence) -> str:
    return evidence.signer_name or ("unknown signer" if evidence.is_signed else "nobody signed")


def _verdict(evidence: Evidence) -> Html:
    return chip("verified", "good") if evidence.is_verified else chip(evidence.reason, "warn")


def _identity(item: Dependency) -> Html:
    shown = item.identity
    short = ", ".join(f"{key}:{value[:12]}" for key, value in sorted(item.digest.items())) or shown
    return Html(f'<code title="{escape(shown, quote=True)}">{escape(short)}</code>')


def _facts(item: Dependency) -> str:
    wanted = ("context", "path", "branch", "licence", "rows")
    return ", ".join(f"{key} {item.annotations[key]}" for key in wanted if item.annotations.get(key) is not None)
