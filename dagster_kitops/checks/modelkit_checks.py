"""The questions that are ready to be asked of a ModelKit, and builders that ask one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import dagster as dg

from dagster_kitops._compat import clean_name
from dagster_kitops.checks.asset_checks import (
    CheckedModelKit,
    CheckOptions,
    Finding,
    ModelKitCheck,
    build_modelkit_checks,
)
from dagster_kitops.metadata import answer_metadata
from kitops_orchestration.errors import NotFoundError

if TYPE_CHECKING:
    from kitops_orchestration.promotion.checks.builtin import CheckResult
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy


def integrity_check(*, reads_all_bytes: bool = False) -> ModelKitCheck:
    """Does everything hold that the recorded ModelKit promises? Layers are asked for existence and size alone.

    ``reads_all_bytes`` reads every layer as well, verifies it by digest, and looks at what it holds: as much traffic
    as a pull.  What is looked at is the core's: :func:`kitops_orchestration.modelkit.validate.validate`.
    """
    if reads_all_bytes:
        return ModelKitCheck("modelkit_content", "Everything that the ModelKit promises, every byte read", _ask_content)
    return ModelKitCheck("modelkit_integrity", "Everything that the ModelKit promises, no layer read", _ask_integrity)


def provenance_check() -> ModelKitCheck:
    """Does the registry hold a statement on how the ModelKit was made?"""
    return ModelKitCheck("modelkit_provenance", "A provenance statement is attached", _ask_provenance)


def tag_check() -> ModelKitCheck:
    """Does the tag still point at the recorded digest? If not, someone moved it outside of Dagster."""
    return ModelKitCheck("modelkit_tag", "The tag points at the recorded digest", _ask_tag)


def signature_check() -> ModelKitCheck:
    """Is the digest signed by whom the resource's ``trust`` names? Without a ``trust`` the check cannot run."""
    return ModelKitCheck("modelkit_signature", "Signed by someone who is trusted", _ask_signature)


def smoke_check() -> ModelKitCheck:
    """Does the packed model load and predict on its own input example? The answer is recorded beside the ModelKit."""
    return ModelKitCheck("modelkit_smoke_test", "The packed model loads and predicts", _ask_smoke)


def policy_checks(policy_path: Path | str, stage: str) -> list[ModelKitCheck]:
    """Return the checks that a promotion policy demands for ``stage``, each as an asset check of its own.

    So people see before a promotion what would stop it.  The promotion itself asks again.

    Raises:
        PromotionError: the policy cannot be read, or has no such stage.
    """
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy

    policy = PromotionPolicy.load(policy_path)
    return [
        ModelKitCheck(
            clean_name(f"{stage}_{spec.id}"), f"{spec.id}, for {stage}", _PolicyQuestion(policy, stage, place)
        )
        for place, spec in enumerate(policy.stage(stage).checks)
    ]


def _content_check() -> ModelKitCheck:
    return integrity_check(reads_all_bytes=True)


_NAMED = {
    "content": _content_check,
    "integrity": integrity_check,
    "provenance": provenance_check,
    "signature": signature_check,
    "smoke_test": smoke_check,
    "tag": tag_check,
}


def named_check(name: str) -> ModelKitCheck:
    """Return a check by short name: one of ``content`` (every byte), and what the functions above are called."""
    return _NAMED[name]()


def build_modelkit_integrity_checks(
    *, reads_all_bytes: bool = False, **options: Unpack[CheckOptions]
) -> Sequence[dg.AssetChecksDefinition]:
    """Return :func:`build_modelkit_checks` with the integrity check alone."""
    return build_modelkit_checks(checks=[integrity_check(reads_all_bytes=reads_all_bytes)], **options)


def build_modelkit_provenance_checks(**options: Unpack[CheckOptions]) -> Sequence[dg.AssetChecksDefinition]:
    """Return :func:`build_modelkit_checks` with the provenance check alone."""
    return build_modelkit_checks(checks=[provenance_check()], **options)


def build_modelkit_signature_checks(**options: Unpack[CheckOptions]) -> Sequence[dg.AssetChecksDefinition]:
    """Return :func:`build_modelkit_checks` with the signature check alone."""
    return build_modelkit_checks(checks=[signature_check()], **options)


def build_modelkit_smoke_checks(**options: Unpack[CheckOptions]) -> Sequence[dg.AssetChecksDefinition]:
    """Return :func:`build_modelkit_checks` with the smoke test alone: the packed model loads and predicts."""
    return build_modelkit_checks(checks=[smoke_check()], **options)


def build_modelkit_tag_checks(**options: Unpack[CheckOptions]) -> Sequence[dg.AssetChecksDefinition]:
    """Return :func:`build_modelkit_checks` with the check of moved tags alone."""
    return build_modelkit_checks(checks=[tag_check()], **options)


def build_modelkit_policy_checks(
    *, policy_path: Path | str, stage: str, **options: Unpack[CheckOptions]
) -> Sequence[dg.AssetChecksDefinition]:
    """Return :func:`build_modelkit_checks` with what a promotion policy demands for ``stage``."""
    return build_modelkit_checks(checks=policy_checks(policy_path, stage), **options)


class _PolicyQuestion:
    """One check of a stage, answered by the core's plan, which all checks of the stage share."""

    def __init__(self, policy: PromotionPolicy, stage: str, place: int) -> None:
        self.policy = policy
        self.stage = stage
        self.place = place

    def __call__(self, checked: CheckedModelKit) -> Finding:
        found = self._results(checked)[self.place]
        return Finding(
            found.is_passed,
            f"expected {found.expected}, found {found.actual}",
            {"expected": found.expected, "found": found.actual, "needs_people": found.is_approval},
        )

    def _results(self, checked: CheckedModelKit) -> Sequence[CheckResult]:
        key = (self.policy.digest, self.stage)
        if key not in checked.answers:
            checked.answers[key] = checked.client.plan(
                checked.recorded.reference, stage=self.stage, policy=self.policy
            ).checks
        results: Sequence[CheckResult] = checked.answers[key]
        return results


def _ask_integrity(checked: CheckedModelKit) -> Finding:
    return _validated(checked, reads_layers=False)


def _ask_content(checked: CheckedModelKit) -> Finding:
    return _validated(checked, reads_layers=True)


def _validated(checked: CheckedModelKit, *, reads_layers: bool) -> Finding:
    try:
        found = checked.client.validate(checked.recorded.reference, reads_layers=reads_layers)
    except NotFoundError as error:  # what Dagster recorded is gone: an answer, not a failure of the check
        return Finding(False, str(error))
    told = "; ".join(finding.what for finding in found.findings if finding.verdict == "ok")
    return Finding(
        found.is_valid,
        told if found.is_valid else found.wrong_text(),
        {"wrong": len(found.wrong), **answer_metadata("kitops/validation", found.to_json())},
    )


def _ask_smoke(checked: CheckedModelKit) -> Finding:
    found = checked.client.smoke_test(checked.recorded.reference, trust=None)
    facts = {f"kitops/{name}": value for name, value in found.to_json().items() if name not in ("reference", "error")}
    words = f"predicts {found.rows} rows" if found.is_passed else f"does not predict: {found.error}"
    return Finding(found.is_passed, words, facts)


def _ask_provenance(checked: CheckedModelKit) -> Finding:
    is_present = checked.lineage.provenance is not None
    return Finding(is_present, "provenance attached" if is_present else "no provenance statement is attached")


def _ask_tag(checked: CheckedModelKit) -> Finding:
    reference = checked.recorded.reference
    try:
        now = checked.client.resolve(replace(reference, digest=None)) if reference.tag else reference
    except NotFoundError as error:
        return Finding(False, str(error))
    is_same = now.digest == reference.digest
    text = f"{reference.tag} points at {now.digest}" + ("" if is_same else f", not at the recorded {reference.digest}")
    return Finding(is_same, text, {"kitops/found_digest": str(now.digest)})


def _ask_signature(checked: CheckedModelKit) -> Finding:
    verdict = checked.kitops.check_signatures(checked.recorded.reference)
    facts = {
        "signers": ", ".join(verdict.signers) or "nobody",
        **answer_metadata("kitops/verification", verdict.to_json()),
    }
    return Finding(verdict.is_verified, verdict.reason, facts)
