"""Evidence: what is attached to a digest, read and judged against a trust policy.

Nothing is dropped in silence.  What cannot be read, is about another digest, or was signed by nobody who may, is
returned with the reason why it does not count.  Only referrers, cosign's older tags and their small blobs are fetched,
never a layer of the ModelKit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from kitops_orchestration.errors import KitOpsError, MissingExtraError, NotFoundError, RegistryError, SignatureError
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import legacy, predicate_types
from kitops_orchestration.signing.attached_bytes import fetch_manifest, read_blob
from kitops_orchestration.signing.attestation_tag import (
    ANNOTATION_ATT_PREDICATE,
    DSSE,
    AttestationLayer,
    attestation_layers,
    attestation_tag,
    parse_envelope,
)
from kitops_orchestration.signing.bundle import BUNDLE_PREFIX, Bundle
from kitops_orchestration.signing.slsa_02 import SLSA_02, as_version_1
from kitops_orchestration.signing.statement import PAYLOAD_TYPE, Statement, decode_json
from kitops_orchestration.signing.timestamps import format_timestamp
from kitops_orchestration.signing.trusted_time.authority import NOTHING, ProvenTime, proven_time
from kitops_orchestration.signing.trusted_time.claims import claimed_time, run_time

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import Judgement, TrustPolicy

Form = Literal["referrer", "att", "oci-1-1", "legacy"]
"""How evidence is attached: as a referrer that holds a statement, or as one of cosign's older forms."""

IN_TOTO = PAYLOAD_TYPE
CYCLONEDX = "application/vnd.cyclonedx+json"
DIRECTORY_SIGNATURE = "application/vnd.openssf.model-signing.v1+json"
"""Ours until the field has one.  Not a bundle type: cosign counts every referrer whose layer has that."""

ANNOTATION_BUNDLE_PREDICATE = "dev.sigstore.bundle.predicateType"
ANNOTATION_PREDICATE = "in-toto.io/predicate-type"

_UNKNOWN_TYPES = (None, "", media_types.EMPTY_JSON)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One attached statement, and whether it counts."""

    descriptor: Descriptor
    """The referrer manifest; in the forms ``att`` and ``legacy`` the layer at the tag."""
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
    found_in: str | None = None
    """Repository that it was read from, where that is not the one that was asked about."""
    form: Form = "referrer"
    written_as: str | None = None
    """What the statement was written as, where it is read as a newer type: ``SLSA 0.2``."""
    proven: ProvenTime = NOTHING
    """What time-stamps prove about when it was signed."""

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

    @property
    def when(self) -> str | None:
        """When it was signed, where a time-stamp proves that; else :attr:`time`."""
        return self.time if self.proven.moment is None else format_timestamp(self.proven.moment)

    @property
    def oldest_time(self) -> str | None:
        """The earlier of what it says and what is proven: a signature that was held back is not fresh by its stamp."""
        return min(filter(None, (self.time, self.when)), default=None)

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
            "provenTime": None if self.proven.moment is None else self.when,
            "timeAuthority": self.proven.authority,
            "timeProblem": self.proven.problem,
            "foundIn": self.found_in,
            "form": None if self.form == "referrer" else self.form,
            "writtenAs": self.written_as,
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
        repository: where to look; one request for referrers, one for the ``.att`` tag, then two for each statement.
        digest: the subject.
        predicate_types: leave out what claims to be of another type.
        trust: without one, nothing is verified and the reason says so.
        at: the moment for which keys have to be valid; now, unless given.
        limits: ``concurrency`` bounds the requests made at the same time.
        referrers: what of ``repository.referrers(digest)`` is asked for; then the ``.att`` tag is not.
    """
    layers: Sequence[AttestationLayer] = ()
    if referrers is not None:
        listed = referrers
    elif _only_we_write(predicate_types):
        listed = repository.referrers(digest)
    else:
        listed, layers = _both_lists(repository, digest, limits)
    wanted = [item for item in listed if _may_be_wanted(item, predicate_types)]
    readers = [partial(_read_one, repository, digest, item, trust, at) for item in wanted]
    readers += [partial(_read_attestation, repository, digest, layer, trust, at) for layer in layers]
    found = [item for items in _call_all(readers, limits) for item in items]
    kept = [item for item in found if predicate_types is None or item.predicate_type in predicate_types]
    return sorted(kept, key=lambda item: (item.time or "", item.descriptor.digest))


def _both_lists(
    repository: Repository, digest: str, limits: Limits
) -> tuple[Sequence[Descriptor], Sequence[AttestationLayer]]:
    """Return the referrers, and what is at the ``.att`` tag; asked for at once where that is allowed."""
    if limits.concurrency == 1:
        return repository.referrers(digest), _attestations(repository, digest)
    with ThreadPoolExecutor(max_workers=1) as pool:
        layers = pool.submit(_attestations, repository, digest)
        return repository.referrers(digest), layers.result()


def _only_we_write(types: Collection[str] | None) -> bool:
    """Tell whether all of the types are written by this program alone, as referrers; approvals may be cosign's."""
    return types is not None and all(
        item.startswith(predicate_types.OURS) and item != predicate_types.APPROVAL for item in types
    )


def _call_all(readers: Sequence[Callable[[], list[Evidence]]], limits: Limits) -> list[list[Evidence]]:
    if limits.concurrency == 1 or len(readers) <= 1:
        return [read() for read in readers]
    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        return list(pool.map(lambda read: read(), readers))


def claimed_type(descriptor: Descriptor) -> str | None:
    """Return the predicate type that the annotations of a referrer claim; unsigned, good for skipping only."""
    annotations = descriptor.annotations
    claimed = annotations.get(ANNOTATION_BUNDLE_PREDICATE) or annotations.get(ANNOTATION_PREDICATE)
    if claimed is None and descriptor.media_type == DSSE:
        claimed = annotations.get(ANNOTATION_ATT_PREDICATE)
    if claimed is None and descriptor.artifact_type == CYCLONEDX:
        return predicate_types.CYCLONEDX
    if claimed is None and descriptor.artifact_type == DIRECTORY_SIGNATURE:
        return predicate_types.DIRECTORY
    if claimed is None and descriptor.artifact_type == legacy.OCI_1_1:
        return predicate_types.SIGNATURE
    return predicate_types.PROVENANCE if claimed == SLSA_02 else claimed


def _may_be_wanted(descriptor: Descriptor, types: Collection[str] | None) -> bool:
    claimed = claimed_type(descriptor)
    return types is None or claimed is None or claimed in types


def _read_one(
    repository: Repository, digest: str, descriptor: Descriptor, trust: TrustPolicy | None, at: datetime | None
) -> list[Evidence]:
    """Read and judge one referrer; its faults are its own and never hide the others."""
    try:
        kind, content = fetch_attached(repository, digest, descriptor)
        if kind == legacy.OCI_1_1:
            return _read_signatures(repository, digest, descriptor, trust, at)
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        return [Evidence(descriptor, None, False, False, str(error))]
    if content is None:
        other = f"not read: {kind or 'no artifact type'} is of another kind"
        return [Evidence(descriptor, None, False, False, other)]
    return [_judge_content(descriptor, kind, content, digest, trust, at)]


def _judge_content(
    descriptor: Descriptor,
    kind: str | None,
    content: bytes,
    digest: str,
    trust: TrustPolicy | None,
    at: datetime | None,
) -> Evidence:
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


def _read_signatures(
    repository: Repository, digest: str, descriptor: Descriptor, trust: TrustPolicy | None, at: datetime | None
) -> list[Evidence]:
    """Read cosign's older signatures where they are stored as a referrer."""
    manifest = _manifest_about(repository, digest, descriptor)
    found = [
        replace(judge_signature(item, digest, trust, at), descriptor=descriptor, form="oci-1-1")
        for item in legacy.signatures_of(repository, manifest, "the referrer")
    ]
    return found or [Evidence(descriptor, None, False, False, "it holds no signature", form="oci-1-1")]


def _attestations(repository: Repository, digest: str) -> list[AttestationLayer]:
    try:
        return list(attestation_layers(repository, digest))
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        # What is no manifest still has a digest, by which it is told.
        return [AttestationLayer(repository.resolve(attestation_tag(digest)), f"cannot be read: {error}")]


def _read_attestation(
    repository: Repository, digest: str, layer: AttestationLayer, trust: TrustPolicy | None, at: datetime | None
) -> list[Evidence]:
    """Read and judge one envelope of cosign's older form; its faults are its own."""
    if layer.problem is not None:
        return [Evidence(layer.descriptor, None, False, False, layer.problem, form="att")]
    try:
        envelopes = parse_envelope(read_blob(repository, layer.descriptor))
        found = [_judge(layer.descriptor, envelope, digest, trust, at) for envelope in envelopes]
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        return [Evidence(layer.descriptor, None, True, False, f"cannot be read: {error}", form="att")]
    return [replace(item, form="att") for item in found]


def judge_signature(
    item: legacy.LegacySignature, digest: str, trust: TrustPolicy | None, at: datetime | None
) -> Evidence:
    """Judge a signature of cosign's older form, wherever it is stored."""
    statement, problem = Statement.build(digest, predicate_types.SIGNATURE, {}), item.problem(digest)
    reason = problem or "signed; no trust policy to check it"
    evidence = Evidence(
        item.descriptor, statement, True, False, reason, is_about_subject=problem is None, form="legacy"
    )
    if trust is None:
        return evidence
    key = next((key for key in trust.public_keys if key.verifies(item.signature, item.payload)), None)
    judgement = trust.judge(key, predicate_types.SIGNATURE, at=at)
    return _with_judgement(evidence, judgement, trust.why_refused(digest) or problem)


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
    node = _manifest_about(repository, digest, descriptor)
    # The layer says what it is; the list may carry another tool's mistake.
    layer = next((layer for layer in node.layers if _is_statement(layer.media_type)), None)
    if layer is None:
        return node.artifact_type or descriptor.artifact_type, None
    return layer.media_type, read_blob(repository, layer)


def _manifest_about(repository: Repository, digest: str, descriptor: Descriptor) -> Manifest:
    node = fetch_manifest(repository, descriptor)
    if not isinstance(node, Manifest) or node.subject is None or node.subject.digest != digest:
        raise SignatureError("listed as a referrer, and its manifest refers to something else")
    return node


def _is_statement(media_type: str | None) -> bool:
    return media_type in (IN_TOTO, CYCLONEDX, DIRECTORY_SIGNATURE) or (media_type or "").startswith(BUNDLE_PREFIX)


def _unsigned(descriptor: Descriptor, statement: Statement, digest: str) -> Evidence:
    statement, written_as = _understood(statement)
    is_about = statement.is_about(digest)
    reason = "not signed" if is_about else "not signed, and about another digest"
    return Evidence(descriptor, statement, False, False, reason, is_about_subject=is_about, written_as=written_as)


def _understood(statement: Statement) -> tuple[Statement, str | None]:
    """Return the statement in words that the rest reads, and what it was written as where it was not in them.

    Provenance of SLSA 0.2 goes by the trust policy's rule for provenance from here on.
    """
    return (as_version_1(statement), "SLSA 0.2") if statement.predicate_type == SLSA_02 else (statement, None)


def _judge(
    descriptor: Descriptor, bundle: Bundle, digest: str, trust: TrustPolicy | None, at: datetime | None
) -> Evidence:
    statement, written_as = _understood(bundle.statement())
    reason = "signed; no trust policy to check it"
    evidence = Evidence(descriptor, statement, True, False, reason, key_hint=bundle.hint, written_as=written_as)
    if statement.predicate_type != predicate_types.DIRECTORY and not statement.is_about(digest):
        return replace(evidence, reason="the statement is about another digest", is_about_subject=False)
    if trust is None:
        return evidence
    key = bundle.verify(trust.public_keys)
    if key is None and bundle.certificate is not None:
        return _judge_certificate(evidence, statement, bundle, digest, trust)
    proven = NOTHING if key is None else proven_time(bundle.signature, bundle.timestamps, trust.time_authorities)
    judgement = trust.judge(key, statement.predicate_type, at=at, claimed=claimed_time(statement), proven=proven.moment)
    return _with_judgement(
        replace(evidence, proven=proven),
        judgement,
        trust.why_refused(digest) or _why_not_builder(statement, trust, judgement),
    )


def _judge_certificate(
    evidence: Evidence, statement: Statement, bundle: Bundle, digest: str, trust: TrustPolicy
) -> Evidence:
    """Judge a bundle whose key is in a certificate, by whom that names."""
    if trust.trusted_root is None:
        return replace(evidence, reason="a keyless signature, and the trust policy names no certificateIdentity")
    from kitops_orchestration.signing.keyless.verify import prove

    try:
        proof = prove(bundle, trust.trusted_root, trust.time_authorities)
    except KitOpsError as error:
        more = f" ({error.advice})" if isinstance(error, MissingExtraError) else ""
        return replace(evidence, reason=f"a keyless signature, and {error}{more}")
    judgement = trust.judge_certificate(proof, statement.predicate_type)
    return _with_judgement(
        replace(evidence, proven=ProvenTime(proof.moment, proof.authority)),
        judgement,
        trust.why_refused(digest) or _why_not_builder(statement, trust, judgement),
    )


def _with_judgement(evidence: Evidence, judgement: Judgement, problem: str | None) -> Evidence:
    return replace(
        evidence,
        is_verified=judgement.counts and problem is None,
        reason=problem or f"{judgement.reason}{evidence.proven.told}",
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
