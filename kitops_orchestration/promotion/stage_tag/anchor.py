"""The anchor of a stage's tag: one small manifest on which everything hangs that is about the tag and no version.

Its content is the tag's name alone, without clock or author, so that everybody computes its digest without asking.
Freezes and ownership are attached to it: they outlive the version, the tag and retention, and whoever deletes the
anchor and pushes it again finds the same list of evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.lineage.statements.attach import Prepared, prepare
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.oci.tag_guard import ANCHORED_TAG, allowing, anchor_tag
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.promotion.predicate_types import STAGE_TAG
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.evidence import Evidence, read_evidence

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

ARTIFACT = "application/vnd.kitops-orchestration.stage-tag.v1+json"


@dataclass(frozen=True, slots=True)
class StageTag:
    """A stage of a policy was entered: its tag moves by promotions alone from now on."""

    predicate_type: ClassVar[str] = STAGE_TAG

    stage: str
    tag: str

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        return {"stage": self.stage, "tag": self.tag}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError`."""
        try:
            stage, tag = value["stage"], value["tag"]
        except (KeyError, TypeError) as error:
            raise SignatureError(f"a stage's tag lacks a member: {error}") from error
        if not isinstance(stage, str) or not isinstance(tag, str):
            raise SignatureError("a stage's tag has a member that is not text")
        return cls(stage, tag)


def anchor_of(tag: str) -> Manifest:
    """Return the anchor: the same bytes for everybody."""
    return Manifest.build(
        config=Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2),
        layers=[Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2)],
        artifact_type=ARTIFACT,
        annotations={ANCHORED_TAG: tag},
    )


def ensure_anchor(repository: Repository, tag: str) -> Digest:
    """Put the anchor there where it is missing, and return its digest."""
    anchor = anchor_of(tag)
    if resolve_or_none(repository, anchor_tag(tag)) != anchor.digest:
        repository.push_blob(Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2), BytesSource(b"{}"))
        with allowing(repository, anchor_tag(tag)):
            repository.push_manifest(anchor, tag=anchor_tag(tag))
    return anchor.digest


def at_anchor(
    repository: Repository,
    tag: str,
    predicate_types: Collection[str],
    *,
    trust: TrustPolicy | None = None,
    limits: Limits = Limits(),
) -> list[Evidence]:
    """Return what hangs on the tag's anchor, also where the anchor itself was deleted.

    All of it is read, which is little: a list says what it likes about the type of a statement, and one that was given
    another type there must not be passed over.
    """
    anchor = anchor_of(tag).digest
    found = read_evidence(repository, anchor, trust=trust, limits=limits, referrers=repository.referrers(anchor))
    return [item for item in found if item.predicate_type in predicate_types]


def prepare_own_tag(
    repository: Repository, stage: str, tag: str, *, signer: Signer | None, listed: Sequence[Descriptor]
) -> Prepared:
    """Make the statement that the tag is the stage's, unless it hangs on the anchor already; nothing is written.

    ``listed`` is what hangs there now, and not what did before: who owns a tag may have been said, or lost, meanwhile.
    The anchor (:func:`ensure_anchor`) has to be there before the statement is pushed.
    """
    return prepare(repository, anchor_of(tag).descriptor, StageTag(stage, tag), signer=signer, listed=listed)


def stages_of_tag(repository: Repository, tag: str, *, limits: Limits = Limits()) -> list[str]:
    """Return the stages whose promotions moved the tag under a policy; anybody's word is enough to close a way."""
    found = []
    for item in at_anchor(repository, tag, {STAGE_TAG}, limits=limits):
        if item.statement is not None and item.is_about_subject:
            try:
                said = StageTag.from_json(item.statement.predicate)
            except SignatureError:
                continue
            if said.tag == tag:
                found.append(said.stage)
    return list(dict.fromkeys(found))
