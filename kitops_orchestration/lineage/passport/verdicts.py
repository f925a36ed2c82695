"""The verdicts on top of the passport: signature, origin, sign-off, service; and checkpoint, where somebody watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.lineage.passport.statements import not_counted, who
from kitops_orchestration.presentation.page import Verdict, Verdicts
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts
    from kitops_orchestration.lineage.answers.sign_offs import SignOffs

SIGN_OFF = "Sign-off"
_MOST_NAMES = 4


def verdicts(passport: PassportFacts) -> Verdicts:
    """Return the passport in one look."""
    told = (_signature(passport), _origin(passport), _sign_off(passport), _service(passport))
    return Verdicts((*told, _checkpoint(passport)) if passport.witnessed else told)


def _signature(passport: PassportFacts) -> Verdict:
    verdict = passport.verdict
    if verdict is None:
        return Verdict("Signature", "Not checked", "no trust policy was given", "warn")
    if verdict.is_verified:
        names = {item.signer: item.signer_name for item in passport.version.lineage.signatures}
        shown = ", ".join(names.get(signer) or signer for signer in verdict.signers)
        return Verdict("Signature", "Verified", f"by {shown}", "good")
    return Verdict("Signature", "Does not verify" if verdict.signatures else "Not signed", verdict.reason, "bad")


def _origin(passport: PassportFacts) -> Verdict:
    builds = passport.version.lineage.builds
    if not builds:
        left = not_counted(passport, predicate_types.PROVENANCE)
        if left:
            return Verdict("Origin", "Does not count", f"{left} provenance on record, none of it counts", "warn")
        return Verdict("Origin", "Not declared", "no provenance is on record", "warn")
    count = len(passport.data.data)
    detail = f"{count} data {'set' if count == 1 else 'sets'} named" + (
        "" if passport.data.is_complete else ", with gaps"
    )
    is_good = builds[-1].evidence.is_verified
    return Verdict("Origin", "Verified" if is_good else "Declared, not checked", detail, "good" if is_good else "warn")


def _sign_off(passport: PassportFacts) -> Verdict:
    offs = passport.sign_offs
    if not offs.environments:
        return Verdict(SIGN_OFF, "None", "nobody decided about this version", "warn")
    if passport.verdict is None:
        return Verdict(SIGN_OFF, "Not checked", f"{len(offs.decisions)} on record", "warn")
    approved = [name for name in offs.environments if offs.is_approved(name)]
    rejected = [name for name in offs.environments if offs.rejections(name)]
    asked = f"; the trust policy asks for {offs.threshold}" if offs.is_asked_for else ""
    if approved:
        told = "; ".join(f"for {name}, by {_approvers(offs, name)}" for name in approved)
        return Verdict(SIGN_OFF, "Approved", told + asked, "good")
    if rejected:
        return Verdict(SIGN_OFF, "Rejected", f"for {', '.join(rejected)}", "bad")
    told = "; ".join(f"for {name}, by {_approvers(offs, name)}" for name in offs.environments if offs.approvers(name))
    return Verdict(SIGN_OFF, "Not approved", (told or "no approval counts") + asked, "warn")


def _approvers(offs: SignOffs, environment: str) -> str:
    """Return the names of those whose approval stands; how many a stage wants is in its policy, and not here."""
    found = {
        item.approver: who(item.record.evidence)
        for item in offs.decisions
        if item.counts and item.approver is not None and item.record.predicate.environment == environment
    }
    names = sorted(found.values())
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _checkpoint(passport: PassportFacts) -> Verdict:
    missing = [what for item in passport.witnessed for what in item.missing]
    if missing:
        return Verdict("Checkpoint", "Something was taken away", "; ".join(missing), "bad")
    good = [item for item in passport.witnessed if item.problem is None]
    if not good:
        told = "; ".join(f"{item.witness}: {item.problem}" for item in passport.witnessed)
        return Verdict("Checkpoint", "Not witnessed", told, "warn")
    newest = max(good, key=lambda item: (item.is_listed, item.issued_on or ""))
    detail = f"number {newest.version} by {newest.witness} of {newest.issued_on}"
    return (
        Verdict("Checkpoint", "Nothing is missing", detail, "good")
        if newest.is_listed
        else Verdict("Checkpoint", "Not yet witnessed", f"younger than {detail}", "warn")
    )


def _service(passport: PassportFacts) -> Verdict:
    count = len(passport.running)
    if not count:
        return Verdict("In service", "Nowhere", "no deployment is on record", "")
    environments = sorted({item.environment for item in passport.running})
    places = f"{count} {'place' if count == 1 else 'places'}"
    is_good = all(item.record.evidence.is_verified for item in passport.running)
    return Verdict("In service", places, ", ".join(environments), "good" if is_good else "warn")
