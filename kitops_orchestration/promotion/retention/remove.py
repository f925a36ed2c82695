"""Tags that go, where a witness watches: a version without any tag is one that garbage collection takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from kitops_orchestration.oci.resolve import tags_by_digest
from kitops_orchestration.promotion.checkpoint.removal import require_remover, say_removed
from kitops_orchestration.promotion.retention.evidence_of import evidence_of
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy


class RemoveOptions(TypedDict, total=False):
    """What :func:`sign_last_tags` takes by name and a client hands through."""

    signer: Signer | None
    trust: TrustPolicy | None
    limits: Limits


def sign_last_tags(
    repository: Repository,
    going: Sequence[Reference],
    *,
    signer: Signer | None = None,
    trust: TrustPolicy | None = None,
    limits: Limits = Limits(),
) -> list[str]:
    """Sign the removal of the versions that lose their last tag, before they do; return their digests.

    A version of which nothing is known goes without a word.  Requests: one for each tag of the repository.

    Args:
        repository: where a witness makes checkpoints.
        going: the tags, each pinned to what it names.
        signer: whoever may remove.
        trust: says whether that is so.
        limits: concurrency.

    Raises:
        PromotionError: there is no key, or its word would count for nothing; nothing was written.
    """
    names = {item.tag for item in going}
    left = tags_by_digest(repository, limits=limits)
    digests = sorted({str(item.digest) for item in going})
    lost = [
        digest
        for digest in digests
        if not {tag for found, tags in left.items() if found == digest for tag in tags} - names
        and evidence_of(repository, digest, repository.referrers(digest))
    ]
    if lost:
        by = require_remover(signer, trust, what=f"{repository.reference.name}@{lost[0]}")
        say_removed(repository, lost, f"the last tags were removed: {', '.join(sorted(filter(None, names)))}", by)
    return lost
