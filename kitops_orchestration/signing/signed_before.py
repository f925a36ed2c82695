"""Is it signed already?  The same words by the same key, whatever the bytes of the signature.

Keys in services, and RSA with PSS, make another signature each time, so equal bytes are no test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.referrers import is_there
from kitops_orchestration.signing.bundle import Bundle
from kitops_orchestration.signing.evidence import claimed_type, fetch_attached, is_fault_of_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kitops_orchestration.oci.descriptor import Descriptor
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.statement import Statement


def find_signed(
    repository: Repository,
    subject: Descriptor,
    statement: Statement,
    signer: Signer,
    *,
    artifact_type: str,
    referrers: Sequence[Descriptor] | None = None,
) -> Descriptor | None:
    """Return the referrer that holds ``statement`` as ``signer`` would sign it, or ``None``; the repository has it.

    ``referrers`` are those of ``subject``, where they were just read; else they are asked for.
    """
    for listed in repository.referrers(subject.digest) if referrers is None else referrers:
        if listed.artifact_type not in (artifact_type, None):
            continue
        if claimed_type(listed) not in (statement.predicate_type, None):
            continue
        try:
            _, content = fetch_attached(repository, subject.digest, listed)
            bundle = None if content is None else Bundle.parse(content)
            is_same = bundle is not None and bundle.payload == statement.content and bundle.is_made_by(signer)
        except KitOpsError as error:
            if not is_fault_of_content(error):
                raise
            continue  # broken evidence of others keeps nobody from signing
        if is_same and is_there(repository, listed):
            return listed
    return None
