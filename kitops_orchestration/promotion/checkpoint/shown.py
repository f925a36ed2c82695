"""What a repository shows of a digest, under the names that a checkpoint has for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from kitops_orchestration.lineage.answers.timeline import summary
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.attestation_tag import attestation_tag
from kitops_orchestration.signing.evidence import Evidence, claimed_type, read_evidence
from kitops_orchestration.signing.legacy import ANNOTATION_SIGNATURE, signature_tag
from kitops_orchestration.signing.verify import legacy_evidence

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


def shown(
    repository: Repository,
    digest: str,
    *,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
    has_older_forms: bool = True,
) -> Mapping[str, Evidence]:
    """Return the evidence that can be read and is about ``digest``, by name.

    What a list calls by another type than its own is as good as gone: who asks for statements of one type (freezes,
    promotions) passes over it.

    ``has_older_forms=False`` does not look at cosign's older tags, which is two requests less.
    """
    listed = None if has_older_forms else repository.referrers(digest)
    found = read_evidence(repository, digest, trust=trust, at=at, limits=limits, referrers=listed)
    if has_older_forms:
        found += legacy_evidence(repository, digest, trust=trust, at=at)
    return {name_of(digest, item): item for item in found if item.is_about_subject and _is_found_by_type(item)}


def _is_found_by_type(item: Evidence) -> bool:
    if item.statement is None:
        return False
    return claimed_type(item.descriptor) in (None, item.statement.predicate_type)


def name_of(digest: str, item: Evidence) -> str:
    """Return the name of evidence about ``digest``: its manifest's digest, or where a layer of a tag says it."""
    if item.form in ("referrer", "oci-1-1"):
        return str(item.descriptor.digest)
    tag = attestation_tag(digest) if item.form == "att" else signature_tag(digest)
    signature = item.descriptor.annotations.get(ANNOTATION_SIGNATURE, "")
    return f"{tag}#{item.descriptor.digest}:{hashlib.sha256(signature.encode()).hexdigest()}"


def is_of_older_form(name: str) -> bool:
    """Tell whether a name is that of a layer at one of cosign's older tags."""
    return "#" in name


def is_listed(item: Evidence) -> bool:
    """Tell whether a checkpoint lists it: signed by somebody whom the witness's trust policy knows, or a freeze.

    Anybody may write rubbish into a registry, and a freeze of anybody's holds.
    """
    return item.signer is not None or item.predicate_type == predicate_types.FREEZE


def described(repository: Repository, digest: str, name: str, trust: TrustPolicy | None, at: datetime | None) -> str:
    """Say what a listed statement is that the repository does not show: by its content where that is still found."""
    if is_of_older_form(name):
        return name
    hidden = [Descriptor(media_types.MANIFEST, Digest(name), 0)]
    item = read_evidence(repository, digest, trust=trust, at=at, referrers=hidden)[0]
    return f"{words(item)} ({name})" if item.statement is not None else name


def words(item: Evidence) -> str:
    """Return what a statement is, what it says and who signed it, in a few words."""
    item = replace(item, reason="")
    kind = predicate_types.short_name(item.predicate_type or "statement")
    return " ".join(filter(None, (kind, summary(item), f"by {item.signer}" if item.signer else "by nobody known")))
