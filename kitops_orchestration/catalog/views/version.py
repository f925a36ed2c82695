"""The page of a version: verdict, lineage, statements, checks, files, and what changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kitops_orchestration.catalog.mlflow_pages import run_page
from kitops_orchestration.catalog.views.lineage import beside, columns
from kitops_orchestration.catalog.views.shared import joined, said_mark
from kitops_orchestration.catalog.words import Look, as_number, change, evidence_mark, short
from kitops_orchestration.lineage.passport.statements import not_counted, statements, who
from kitops_orchestration.lineage.passport.verdicts import SIGN_OFF, verdicts
from kitops_orchestration.presentation.page import Verdict
from kitops_orchestration.presentation.value_text import counted
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog, Model, ModelStage, Release
    from kitops_orchestration.lineage.answers.compare import ModelKitDiff
    from kitops_orchestration.lineage.passport.passport import Passport
    from kitops_orchestration.promotion.plan import PromotionPlan

_MOST_FILES = 200
_WHAT_JUDGING_TAKES = "That takes a promotion policy and a trust policy"
_LOOKS: dict[str, Look] = {"holds": "good", "red": "bad", "unknown": "warn", "not judged": "open", "empty": "none"}


def version_values(site: Catalog, model: Model, release: Release) -> dict[str, Any]:
    """Return what the page shows."""
    passport = release.passport
    kit = passport.version.kit
    said = statements(passport)
    is_checked = site.trust_digest is not None
    counting = sum(item.counts and item.evidence.is_verified for item in said)
    files, left = _files(release)
    before = model.before(release)
    stages = model.stages_with(release.digest)
    plans = list(_plans(model, release, stages))
    return {
        "model": model,
        "release": release,
        "passport": passport,
        "kit": kit,
        "pinned": f"{model.reference}@{release.digest}",
        "stage_tags": {stage.history.tag for stage in stages},
        "verdicts": list(_verdicts(model, release, stages)),
        "tiles": _tiles(passport, plans),
        "lineage": columns(site, release),
        "beside": beside(passport),
        "said": [{"said": item, "mark": said_mark(item, is_checked=is_checked)} for item in said],
        "statement_count": f"{counting} of {len(said)} count" if is_checked else f"{len(said)}, not checked",
        "plans": plans,
        "metrics": _metrics(release, before),
        "files": files,
        "files_left": left,
        "files_said": _files_said(release),
        "run": _run(release),
        "run_page": _run_page(site, release),
        "no_run": _no_run(release),
        "since": _since(before, release.since),
        "kitfile": kit.kitfile.to_yaml(),
        "card": _card(release, is_checked=is_checked),
        "no_card": _no_card(release),
    }


def _tiles(passport: Passport, plans: Sequence[PromotionPlan]) -> list[Verdict]:
    """Return the four tiles; a stage's policy may ask for more people than the trust policy, and then lacks them."""
    tiles = list(verdicts(passport).items)
    lacking = [(plan.stage, check) for plan in plans for check in plan.missing_approvals]
    at = next(index for index, tile in enumerate(tiles) if tile.label == SIGN_OFF)
    if lacking and tiles[at].mood == "good":
        told = "; ".join(f"for {stage}: {check.expected}, found {check.actual}" for stage, check in lacking)
        tiles[at] = Verdict(SIGN_OFF, "Waits", told, "warn")
    return tiles


def _verdicts(model: Model, release: Release, stages: tuple[ModelStage, ...]) -> Iterator[dict[str, Any]]:
    """Yield one sentence for each stage that has the version, made of check results; else that none has it."""
    if not stages:
        waits = joined(f"it waits for people to go to {item.stage}" for item in _waiting(model, release))
        yield {"look": "none", "title": "Not in a stage", "reason": waits or "Nothing is judged that no stage has."}
    for stage in stages:
        words = {"holds": "Holds", "red": "Red", "unknown": "Not known", "not judged": "Not judged", "empty": "Empty"}
        title = f"{words[stage.state]} in {stage.name}"
        if stage.state == "holds":
            title += " under today's policy"
        told = stage.verdict.reason if stage.verdict else _WHAT_JUDGING_TAKES
        checks = stage.verdict.plan.checks if stage.verdict and stage.verdict.plan else ()
        passed = sum(check.is_passed for check in checks)
        tally = f" Checks passed: {passed} of {len(checks)}." if checks else ""
        yield {"look": _LOOKS[stage.state], "title": title, "reason": told[:1].upper() + told[1:] + "." + tally}
        if stage.frozen is not None:
            yield {"look": "lock", "title": f"{stage.name} is frozen", "reason": stage.frozen}


def _waiting(model: Model, release: Release) -> list[Any]:
    return [item for item in model.waiting if item.digest == release.digest]


def _plans(model: Model, release: Release, stages: tuple[ModelStage, ...]) -> Iterator[Any]:
    for stage in stages:
        if stage.verdict is not None and stage.verdict.plan is not None:
            yield stage.verdict.plan
    for item in _waiting(model, release):
        yield item.plan


def _metrics(release: Release, before: Release | None) -> list[dict[str, Any]]:
    earlier = before.passport.metrics if before else {}
    found = []
    for name, value in sorted(release.passport.metrics.items()):
        one, two = as_number(earlier.get(name)), as_number(value)
        difference = None if one is None or two is None else two - one
        found.append({"name": name, "value": value, "before": earlier.get(name), "change": change(difference)})
    return found


def _files(release: Release) -> tuple[list[dict[str, Any]], int]:
    """Return the parts of the ModelKit, then the files that a signature lists."""
    version = release.passport.version
    parts: list[dict[str, Any]] = [
        {
            "kind": layer.kind,
            "path": layer.clean_path or layer.name,
            "size": layer.descriptor.size,
            "digest": layer.digest,
        }
        for layer in version.kit.layers
    ]
    listed = version.files.files.files if version.files is not None else {}
    signed = [
        {"kind": "file", "path": path, "size": None, "digest": f"sha256:{digest}"} for path, digest in listed.items()
    ]
    found = [*parts, *signed]
    return found[:_MOST_FILES], max(0, len(found) - _MOST_FILES)


def _files_said(release: Release) -> str:
    files = release.passport.version.files
    return "no signed list of files" if files is None else f"list of files: {files.evidence.reason}"


def _run(release: Release) -> list[tuple[str, str]]:
    build = release.passport.version.lineage.provenance
    if build is None:
        return []
    run, source = build.orchestrator, build.source
    names = (("Orchestrator", "type"), ("Job", "job"), ("Task", "task"), ("Run", "runId"), ("By", "user"))
    pairs = [(label, run.get(key)) for label, key in names]
    pairs += [("Tracking", source.get("uri")), ("Trained", build.trained_on), ("Packed", build.finished_on)]
    return [(label, str(value)) for label, value in (*pairs, ("Builder", build.builder_id)) if value]


def _run_page(site: Catalog, release: Release) -> str | None:
    build = release.passport.version.lineage.provenance
    return None if build is None else run_page(str(build.source.get("uri") or ""), site.mlflow_addresses)


def _no_run(release: Release) -> str:
    left = not_counted(release.passport, predicate_types.PROVENANCE)
    if left:
        return f"{counted(left, 'provenance')} on record, and not counted: the statements above say why."
    return "No provenance is on record."


def _card(release: Release, *, is_checked: bool) -> list[dict[str, Any]]:
    return [
        {
            "section": item,
            "by": who(item.card.evidence),
            "time": item.card.when,
            "mark": evidence_mark(item.card.evidence, is_checked=is_checked),
        }
        for item in release.passport.version.lineage.written
    ]


def _no_card(release: Release) -> str:
    left = not_counted(release.passport, predicate_types.CARD)
    if not left:
        return ""
    verb = "is" if left == 1 else "are"
    return f"{counted(left, 'card')} {verb} on record, and not counted: the statements above say why."


def _since(before: Release | None, found: ModelKitDiff | None) -> dict[str, Any] | None:
    if before is None or found is None:
        return None
    lines = [
        f"{item.name}: {item.left if item.left is not None else 'not measured'} → "
        f"{item.right if item.right is not None else 'not measured'}"
        for item in found.metrics
    ]
    lines += [f"{layer.kind} {layer.path}: {layer.change}" for layer in found.kit.changed_layers]
    lines += [f"made with {item.shown} ({short(item.identity)})" for item in found.added]
    lines += [f"no longer made with {item.shown} ({short(item.identity)})" for item in found.removed]
    lines += [f"parameter {item.field}: {item.left} → {item.right}" for item in found.kit.parameters]
    lines += [f"Kitfile {item.field}: {item.change}" for item in found.kit.fields]
    return {"name": before.name, "digest": before.digest, "lines": lines[:_MOST_FILES]}
