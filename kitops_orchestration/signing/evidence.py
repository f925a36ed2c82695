"""Evidence: what is attached to a digest, read and judged against a trust policy.

Nothing is dropped in silence.  What cannot be read, is about another digest, or was signed by nobody who may, is
returned with the reason why it does not count.  Only referrers and their small blobs are fetched, never a layer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError, NotFoundError, RegistryError, SignatureError
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.content_cache import ContentCache
from kitops_orchestration.oci.descriptor import Descriptor, VerifyingReader
from kitops_orchestration.oci.manifest import Manifest, Node, parse
from kitops_orchestration.settings import MIB, Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.bundle import BUNDLE_PREFIX, Bundle
from kitops_orchestration.signing.statement import PAYLOAD_TYPE, Statement, decode_json
from kitops_orchestration.signing.timestamps import format_timestamp, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import Judgement, TrustPolicy

IN_TOTO = PAYLOAD_TYPE
CYCLONEDX = "application/vnd.cyclonedx+json"
DIRECTORY_SIGNATURE = "application/vnd.openssf.model-signing.v1+json"
"""Ours until the field has one.  Not a bundle type: cosign counts every referrer whose layer has that."""

ANNOTATION_BUNDLE_PREDICATE = "dev.sigstore.bundle.predicateType"
ANNOTATION_PREDICATE = "in-toto.io/predicate-type"
MAX_EVIDENCE_BYTES = 64 * MIB

_UNKNOWN_TYPES = (None, "", media_types.EMPTY_JSON)
# Where the types of ours, and those we know, say when they were made.  Provenance is not among them: its times
# are the run's, and a run may be older than the key that vouches for it.
_CLAIMED_TIMES = ("createdOn", "timestamp", "deployedOn", "timeCreated")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One attached statement, and whether it counts."""

    descriptor: Descriptor
    """The referrer manifest."""
    statement: Statement | None
    """``None`` when it cannot be read, or is not a statement."""
    is_signed: bool
    is_verified: bool
    """True when the signature is good, its maker is trusted for this predicate type, and the subject is right."""
    reason: str
    """Why it counts or does not, in a few words for people."""
    signer: str | None = None
    """Identity in the trust policy whose key made the signature; set even where its role does not suffice."""
    signer_name: str | None = None
    key_hint: str | None = None
    """What the bundle calls its key; proves nothing."""
    is_about_subject: bool = True
    """False for a statement about another digest: a replay, or a mistake."""

    @property
    def predicate_type(self) -> str | None:
        """The statement's type, else what the annotations claim."""
        return self.statement.predicate_type if self.statement else claimed_type(self.descriptor)

    @property
    def time(self) -> str | None:
        """When the statement says that it was made (RFC 3339, UTC), or its run ended."""
        if self.statement is None:
            return None
        moment = claimed_time(self.statement) or run_time(self.statement)
        return None if moment is None else format_timestamp(moment)

    def to_json(self) -> dict[str, Any]:
        """Return what people and programs need to know of it, with the predicate."""
        value = {
            "digest": str(self.descriptor.digest),
            "predicateType": self.predicate_type,
            "isSigned": self.is_signed,
            "isVerified": self.is_verified,
            "reason": self.reason,
            "signer": self.signer,
            "time": self.time,
            "predicate": None if self.statement is None else dict(self.statement.predicate),
        }
        return {key: item for key, item in value.items() if item is not None}


def read_evidence(
    repository: Repository,
    digest: str,
    *,
    predicate_types: Collection[str] | None = None,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
    referrers: Sequence[Descriptor] | None = None,
) -> list[Evidence]:
    """Return what is attached to the manifest ``digest``, oldest first.

    Args:
        repository: where to look; one referrers request, then two requests for each statement.
        digest: the subject.
        predicate_types: leave out what claims to be of another type.
        trust: without one, nothing is verified and the reason says so.
        at: the moment for which keys have to be valid; now, unless given.
        limits: ``concurrency`` bounds the requests made at the same time.
        referrers: what ``repository.referrers(digest)`` gave, where the caller has it already.
    """
    listed = repository.referrers(digest) if referrers is None else referrers
    wanted = [item for item in listed if _may_be_wanted(item, predicate_types)]
    if not wanted:
        return []
    if limits.concurrency == 1 or len(wanted) == 1:
        found = [_read_one(repository, digest, item, trust, at) for item in wanted]
    else:
        with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
            found = list(pool.map(lambda item: _read_one(repository, digest, item, trust, at), wanted))
    kept = [item for item in found if predicate_types is None or item.predicate_type in predicate_types]
    return sorted(kept, key=lambda item: (item.time or "", item.descriptor.digest))


def claimed_type(descriptor: Descriptor) -> str | None:
    """Return the predicate type that the annotations of a referrer claim; unsigned, good for skipping only."""
    annotations = descriptor.annotations
    claimed = annotations.get(ANNOTATION_BUNDLE_PREDICATE) or annotations.get(ANNOTATION_PREDICATE)
    if claimed is None and descriptor.artifact_type == CYCLONEDX:
        return predicate_types.CYCLONEDX
    if claimed is None and descriptor.artifact_type == DIRECTORY_SIGNATURE:
        return predicate_types.DIRECTORY
    return claimed


def claimed_time(statement: Statement) -> datetime | None:
    """Return when a statement says that it was made, where it has a member for that."""
    return _first_time(statement.predicate.get(member) for member in _CLAIMED_TIMES)


def run_time(statement: Statement) -> datetime | None:
    """Return when the run of a provenance ended, or began where that is all it says."""
    try:
        metadata = statement.predicate["runDetails"]["metadata"]
        return _first_time([metadata.get("finishedOn"), metadata.get("startedOn")])
    except (KeyError, TypeError, AttributeError):
        return None


def _first_time(values: Any) -> datetime | None:
    for value in values:
        if isinstance(value, str):
            try:
                return parse_timestamp(value)
            except SignatureError:
                return None
    return None


def _may_be_wanted(descriptor: Descriptor, types: Collection[str] | None) -> bool:
    claimed = claimed_type(descriptor)
    return types is None or claimed is None or claimed in types


def _read_one(
    repository: Repository, digest: str, descriptor: Descriptor, trust: TrustPolicy | None, at: datetime | None
) -> Evidence:
    """Read and judge one referrer; its faults are its own and never hide the others."""
    try:
        kind, content = fetch_attached(repository, digest, descriptor)
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        return Evidence(descriptor, None, False, False, str(error))
    if content is None:
        return Evidence(descriptor, None, False, False, f"not read: {kind or 'no artifact type'} is of another kind")
    is_signed = kind not in (IN_TOTO, CYCLONEDX)
    try:
        if kind == CYCLONEDX:
            bom = decode_json(content, "the bill of materials")
            statement = Statement.build(digest, predicate_types.CYCLONEDX, bom)
            return Evidence(descriptor, statement, False, False, "not signed")
        if kind == IN_TOTO:
            return _unsigned(descriptor, Statement.parse(content), digest)
        return _judge(descriptor, Bundle.parse(content), digest, trust, at)
    except KitOpsError as error:
        return Evidence(descriptor, None, is_signed, False, f"cannot be read: {error}")


def is_fault_of_content(error: KitOpsError) -> bool:
    """Tell whether what is stored is broken or gone, rather than the registry or the way to it.

    Only the first may be passed over: a registry that cannot be reached must not look like missing evidence.
    """
    return isinstance(error, NotFoundError) or not isinstance(error, RegistryError)


def fetch_attached(repository: Repository, digest: str, descriptor: Descriptor) -> tuple[str | None, bytes | None]:
    """Return kind and content of one referrer; content is ``None`` for kinds that hold no statement.

    Raises:
        SignatureError: it does not refer to ``digest``, or is larger than evidence may be.
        NotFoundError: a list names it and it is not there.
    """
    if descriptor.artifact_type not in _UNKNOWN_TYPES and not _is_statement(descriptor.artifact_type):
        return descriptor.artifact_type, None
    node = _fetch_manifest(repository, descriptor)
    if not isinstance(node, Manifest) or node.subject is None or node.subject.digest != digest:
        raise SignatureError("listed as a referrer, and its manifest refers to something else")
    # The layer says what it is; the list may carry another tool's mistake.
    layer = next((layer for layer in node.layers if _is_statement(layer.media_type)), None)
    if layer is None:
        return node.artifact_type or descriptor.artifact_type, None
    return layer.media_type, read_blob(repository, layer)


def read_blob(repository: Repository, descriptor: Descriptor) -> bytes:
    """Return a small blob, verified.

    Raises:
        SignatureError: it says it is larger than evidence may be.
    """
    if descriptor.size > MAX_EVIDENCE_BYTES:
        raise SignatureError(f"{descriptor.digest} has {descriptor.size} bytes, too many for evidence")
    cache = _cache_for(repository)
    content = cache.get(descriptor.digest) if cache else None
    if content is None or len(content) != descriptor.size:
        with VerifyingReader(repository.fetch_blob(descriptor), descriptor) as stream:
            content = stream.read()
        if cache:
            cache.put(descriptor.digest, content)
    return content


def _fetch_manifest(repository: Repository, descriptor: Descriptor) -> Node:
    cache = _cache_for(repository)
    content = cache.get(descriptor.digest) if cache else None
    if content is not None:
        return parse(content, descriptor.media_type, expected=descriptor.digest)
    node = repository.fetch_manifest(descriptor.digest)
    if cache:
        cache.put(descriptor.digest, node.content)
    return node


def _cache_for(repository: Repository) -> ContentCache | None:
    """Nothing is kept of a folder, which is as near as the cache."""
    return None if repository.reference.is_folder else ContentCache()


def _is_statement(media_type: str | None) -> bool:
    return media_type in (IN_TOTO, CYCLONEDX, DIRECTORY_SIGNATURE) or (media_type or "").startswith(BUNDLE_PREFIX)


def _unsigned(descriptor: Descriptor, statement: Statement, digest: str) -> Evidence:
    is_about = statement.is_about(digest)
    reason = "not signed" if is_about else "not signed, and about another digest"
    return Evidence(descriptor, statement, False, False, reason, is_about_subject=is_about)


def _judge(
    descriptor: Descriptor, bundle: Bundle, digest: str, trust: TrustPolicy | None, at: datetime | None
) -> Evidence:
    statement = bundle.statement()
    evidence = Evidence(descriptor, statement, True, False, "signed; no trust policy to check it", key_hint=bundle.hint)
    if statement.predicate_type != predicate_types.DIRECTORY and not statement.is_about(digest):
        return replace(evidence, reason="the statement is about another digest", is_about_subject=False)
    if trust is None:
        return evidence
    judgement = trust.judge(
        bundle.verify(trust.public_keys), statement.predicate_type, at=at, claimed=claimed_time(statement)
    )
    problem = trust.why_refused(digest) or _why_not_builder(statement, trust, judgement)
    return replace(
        evidence,
        is_verified=judgement.counts and problem is None,
        reason=problem or judgement.reason,
        signer=judgement.identity.id if judgement.identity else None,
        signer_name=judgement.identity.shown if judgement.identity else None,
    )


def _why_not_builder(statement: Statement, trust: TrustPolicy, judgement: Judgement) -> str | None:
    if statement.predicate_type != predicate_types.PROVENANCE or not judgement.counts:
        return None
    try:
        builder = statement.predicate["runDetails"]["builder"]["id"]
    except (KeyError, TypeError):
        builder = None
    return None if trust.accepts_builder(builder) else f"the trust policy does not accept the builder {builder}"
