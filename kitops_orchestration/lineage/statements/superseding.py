"""Which statements of one's own a new one takes the place of: by their names, so that no clock decides.

A failed test, or a "no" to a stage, ends when its author names it.  Who attaches a report by hand means the last word
to be theirs, so the report names what the same key said of the same matter before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import Evidence, read_evidence
from kitops_orchestration.signing.timestamps import format_timestamp, now
from kitops_orchestration.signing.trust import TrustPolicy

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer

_MEMBER = "supersedes"
_CREATED = "createdOn"


def _same_environment(said: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return bool(said.get("environment") == new.get("environment"))


def _shares_a_section(said: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    one, two = said.get("sections"), new.get("sections")
    return isinstance(one, Mapping) and isinstance(two, Mapping) and bool(set(one) & set(two))


_MATTERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], bool]] = {
    predicate_types.TEST_RESULT: lambda _said, _new: True,
    predicate_types.APPROVAL: _same_environment,
    predicate_types.CARD: _shares_a_section,
}
"""The types that name what they end, and whether two statements about a digest are about the same matter."""


def with_superseded(
    repository: Repository,
    digest: str,
    predicate_type: str,
    predicate: Mapping[str, Any],
    signer: Signer | None,
    *,
    limits: Limits = Limits(),
) -> Mapping[str, Any]:
    """Return the predicate with ``supersedes`` filled in; as it is where it says so itself, or for other types.

    What stands already and says the same is returned, so that the same report is attached once.
    """
    matter = _MATTERS.get(predicate_type)
    if matter is None or signer is None or _MEMBER in predicate:
        return predicate
    own = [
        item
        for item in _own(repository, digest, predicate_type, signer, limits)
        if matter(item.statement.predicate if item.statement else {}, predicate)
    ]
    ended = {name for item in own for name in _names(item)}
    for item in own:
        said = item.statement.predicate if item.statement else {}
        if str(item.descriptor.digest) not in ended and _says(said, predicate):
            return said
    names = sorted(str(item.descriptor.digest) for item in own)
    if predicate_type == predicate_types.CARD:
        # Whoever writes a card by hand does not write the time; the same words again are found above, and have theirs.
        predicate = {_CREATED: format_timestamp(now()), **predicate}
    return {**predicate, _MEMBER: names} if names else predicate


def _own(repository: Repository, digest: str, predicate_type: str, signer: Signer, limits: Limits) -> list[Evidence]:
    own = TrustPolicy.for_key(signer.public_key)
    found = read_evidence(repository, digest, predicate_types={predicate_type}, trust=own, limits=limits)
    return [item for item in found if item.is_verified and item.form == "referrer"]


def _names(item: Evidence) -> list[str]:
    found = item.statement.predicate.get(_MEMBER) if item.statement else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _says(said: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Tell whether a statement says what the new one does, which names nothing, and may not say when it was made."""
    left_out = {_MEMBER} if _CREATED in new or "sections" not in new else {_MEMBER, _CREATED}
    return {member: value for member, value in said.items() if member not in left_out} == dict(new)
