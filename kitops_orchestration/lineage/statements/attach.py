"""Attach statements to a ModelKit as referrers, and load them again.

Signed statements have the layout that cosign 3, GitHub's attestations and zot use; without a key they are
attached as plain in-toto statements and every answer says that they are not signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.cancel import at_once
from kitops_orchestration.errors import KitOpsError, SignatureError
from kitops_orchestration.lineage.statements import Predicate, statement_about
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.referrers import Draft, describe, is_there, pushes
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Page, Paragraph
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, Bundle, sign_statement
from kitops_orchestration.signing.evidence import (
    ANNOTATION_BUNDLE_PREDICATE,
    ANNOTATION_PREDICATE,
    IN_TOTO,
    Evidence,
    fetch_attached,
    is_fault_of_content,
    read_evidence,
)
from kitops_orchestration.signing.statement import Statement, encode_json
from kitops_orchestration.signing.timestamps import format_timestamp
from kitops_orchestration.signing.trusted_time.claims import claimed_time, run_time

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

__all__ = ["Attached", "Evidence", "attach", "attest", "load_evidence"]

ANNOTATION = "ml.kitops.orchestration."
ANNOTATION_EVENT_ID = ANNOTATION + "event-id"

_EVENTS = {
    predicate_types.PROVENANCE: "build",
    predicate_types.TEST_RESULT: "test",
    predicate_types.VERIFICATION: "gate",
    predicate_types.APPROVAL: "approval",
    predicate_types.PROMOTION: "promotion",
    predicate_types.DEPLOYMENT: "deployment",
    predicate_types.CYCLONEDX: "bom",
    predicate_types.CARD: "card",
    predicate_types.SCAN: "scan",
    predicate_types.GATE: "gate-report",
}
_TRY = "tryNumber"


@dataclass(frozen=True, slots=True)
class Attached(Answer):
    """A statement in the registry."""

    descriptor: Descriptor
    """The referrer manifest."""
    is_new: bool
    """False when the same statement was there already, and nothing was added."""
    is_signed: bool

    def to_json(self) -> dict[str, Any]:
        """Return digest and facts."""
        return {"digest": str(self.descriptor.digest), "isNew": self.is_new, "isSigned": self.is_signed}

    def page(self) -> Page:
        """Return one sentence."""
        verb = "Attached" if self.is_new else "Already there:"
        state = "signed" if self.is_signed else "not signed"
        return Page.of("", Paragraph.of(f"{verb} ", Code(str(self.descriptor.digest)), f" ({state})"))


class AttachOptions(TypedDict, total=False):
    """What :func:`attach` takes by name and a client or an adapter hands through."""

    signer: Signer | None
    limits: Limits


def attach(
    repository: Repository,
    target: str,
    statement: Statement | Predicate,
    *,
    signer: Signer | None = None,
    limits: Limits = Limits(),
) -> Attached:
    """Attach a statement to the manifest at ``target``, signed when ``signer`` is given.

    The same statement of the same signer is attached once: nothing depends on the clock or on the bytes of a signature,
    and the try of an orchestrator's run does not make a statement another one.

    Raises:
        SignatureError: the statement is about another digest than ``target`` has.
        NotFoundError: there is nothing at ``target``.
    """
    subject = repository.resolve(target)
    prepared = prepare(repository, subject, statement, signer=signer, listed=repository.referrers(subject.digest))
    return prepared.write(repository, limits)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that is there already, or one that is made and not written yet."""

    descriptor: Descriptor
    draft: Draft | None
    """``None`` where it is there."""
    is_signed: bool

    def write(self, repository: Repository, limits: Limits) -> Attached:
        """Store the content, all of it at once, and then the manifest."""
        at_once(limits.concurrency, contents_of(repository, self))
        return self.push(repository)

    def push(self, repository: Repository) -> Attached:
        """Write the manifest, whose content is there (:func:`contents_of`); from then on it is listed."""
        if self.draft is not None:
            repository.push_manifest(self.draft.manifest)
        return Attached(self.descriptor, self.draft is not None, self.is_signed)


def contents_of(repository: Repository, *prepared: Prepared) -> list[Callable[[], object]]:
    """Return the calls that store what statements are made of, each blob once; they may be made at once."""
    return pushes(repository, *(item.draft for item in prepared if item.draft is not None))


def prepare(
    repository: Repository,
    subject: Descriptor,
    statement: Statement | Predicate,
    *,
    signer: Signer | None,
    listed: Sequence[Descriptor],
) -> Prepared:
    """Make a statement about ``subject``, unless the same one is among its referrers; nothing is written.

    ``listed`` are its referrers as the repository tells them now.  Raises :class:`SignatureError` like :func:`attach`.
    """
    if not isinstance(statement, Statement):
        statement = statement_about(subject.digest, statement)
    if not statement.is_about(subject.digest):
        raise SignatureError(
            f"the statement is not about {subject.digest}, in {repository.reference.name}",
            advice="build the statement for the digest that it is attached to",
        )
    event_id = _event_id(statement)
    same = _find_same(repository, subject, listed, event_id, signer)
    if same is not None:
        return Prepared(same, None, signer is not None)
    if signer is None:
        content, media_type = statement.content, IN_TOTO
    else:
        content, media_type = sign_statement(statement, signer), BUNDLE
    draft = Draft.of(
        subject,
        artifact_type=media_type,
        layers=[(content, media_type)],
        annotations=_annotations(statement, event_id, is_signed=signer is not None),
        is_new=signer is not None,
    )
    descriptor = describe(draft.manifest)
    is_known = any(found.digest == descriptor.digest for found in listed) and is_there(repository, descriptor)
    return Prepared(descriptor, None if is_known else draft, signer is not None)


def attest(
    repository: Repository,
    target: str,
    predicate_type: str,
    predicate: Mapping[str, Any],
    *,
    signer: Signer | None = None,
    limits: Limits = Limits(),
) -> Attached:
    """Attach any report (a security scan, an evaluation, a data sheet) as a statement of ``predicate_type``.

    ``predicate_type`` is a URI that names the report's form, or a short name such as ``test-result``.  Members
    are sorted, so that the same report is attached once.  A signed test result, decision or card names what the same
    key said of the same matter before (``supersedes``), unless it has that member: so it takes a "no" back.

    Raises:
        SignatureError: a card that could not be read again: no text, too much of it, no section.
        NotFoundError: there is nothing at ``target``.
    """
    from kitops_orchestration.lineage.statements.superseding import with_superseded

    digest, kind = repository.resolve(target).digest, predicate_types.full_name(predicate_type)
    if kind == predicate_types.CARD:
        # A person wrote it by hand: what no page could show is told now, and not to whoever reads the passport.
        from kitops_orchestration.lineage.statements.card import Card

        Card.from_json(predicate)
    ordered = _sorted(with_superseded(repository, digest, kind, _sorted(predicate), signer))
    statement = Statement.build(digest, kind, ordered)
    return attach(repository, digest, statement, signer=signer, limits=limits)


def load_evidence(
    repository: Repository,
    target: str,
    *,
    predicate_types: Collection[str] | None = None,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> list[Evidence]:
    """Return what is attached to ``target``, oldest first, each judged against ``trust``.

    What does not count is returned too, with ``is_verified`` False and the reason: look at it before using one.
    """
    digest = repository.resolve(target).digest
    return read_evidence(repository, digest, predicate_types=predicate_types, trust=trust, at=at, limits=limits)


def _annotations(statement: Statement, event_id: str, *, is_signed: bool) -> dict[str, str]:
    """What lists may show without fetching anything; unsigned, so no answer is made from it."""
    predicate = statement.predicate
    moment = claimed_time(statement) or run_time(statement)
    found: dict[str, Any] = {
        media_types.ANNOTATION_CREATED: None if moment is None else format_timestamp(moment),
        ANNOTATION + "event": _EVENTS.get(statement.predicate_type, "attestation"),
        ANNOTATION + "environment": predicate.get("environment") or predicate.get("toStage"),
        ANNOTATION + "result": predicate.get("decision") or predicate.get("result") or predicate.get("action"),
        ANNOTATION_EVENT_ID: event_id,
    }
    if is_signed:
        found["dev.sigstore.bundle.content"] = "dsse-envelope"
        found[ANNOTATION_BUNDLE_PREDICATE] = statement.predicate_type
    else:
        found[ANNOTATION_PREDICATE] = statement.predicate_type
    return {key: value for key, value in found.items() if isinstance(value, str) and value}


def _find_same(
    repository: Repository, subject: Descriptor, found: Sequence[Descriptor], event_id: str, signer: Signer | None
) -> Descriptor | None:
    """Find the statement that an earlier try of the same run attached.

    The annotation only nominates; the content has to be the same, and signed with the same key.
    """
    for listed in found:
        if listed.annotations.get(ANNOTATION_EVENT_ID) != event_id:
            continue
        try:
            payload = _payload(repository, subject, listed, signer)
            is_same = payload is not None and _event_id(Statement.parse(payload)) == event_id
            if is_same and is_there(repository, listed):  # what it says may come from this machine
                return listed
        except KitOpsError as error:
            if not is_fault_of_content(error):
                raise
            # Broken evidence of others does not keep anybody from adding good evidence.
    return None


def _payload(repository: Repository, subject: Descriptor, listed: Descriptor, signer: Signer | None) -> bytes | None:
    """Return what ``listed`` says, when it is signed just as ``signer`` would sign it."""
    kind, content = fetch_attached(repository, subject.digest, listed)
    if content is None or (kind == IN_TOTO) != (signer is None):
        return None
    if signer is None:
        return content
    bundle = Bundle.parse(content)
    return bundle.payload if bundle.is_made_by(signer) else None


def _event_id(statement: Statement) -> str:
    """The digest of everything that is said, except for the try and for when it was done."""
    subjects = [item.to_json() for item in statement.subject]
    value = [statement.predicate_type, subjects, _without_try(_without_moment(statement))]
    return hashlib.sha256(encode_json(value, sort_keys=True)).hexdigest()


def _without_moment(statement: Statement) -> Any:
    """Leave out what a retry of the same act cannot say again: when it was packed, or put into service.

    A deployment outside of a run is an act of its own each time: going back and forth is history.
    """
    predicate = statement.predicate
    if statement.predicate_type == predicate_types.PROVENANCE:
        details = predicate.get("runDetails")
        metadata = details.get("metadata") if isinstance(details, Mapping) else None
        if isinstance(details, Mapping) and isinstance(metadata, Mapping):
            kept = {key: item for key, item in metadata.items() if key not in ("startedOn", "finishedOn")}
            return {**predicate, "runDetails": {**details, "metadata": kept}}
    orchestrator = predicate.get("orchestrator")
    is_in_run = isinstance(orchestrator, Mapping) and orchestrator.get("runId")
    if statement.predicate_type == predicate_types.DEPLOYMENT and is_in_run:
        return {key: item for key, item in predicate.items() if key not in ("deployedOn", "replaces")}
    return predicate


def _without_try(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_try(item) for key, item in value.items() if key != _TRY}
    return [_without_try(item) for item in value] if isinstance(value, list | tuple) else value


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise SignatureError("a predicate has a member whose name is not text", advice="quote the name")
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value
