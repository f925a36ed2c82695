"""Sign a ModelKit, in the two forms that verifiers in the field read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from kitops_orchestration.cancel import at_once, stopped_by
from kitops_orchestration.errors import KitOpsError, NotFoundError, SignatureError, TagMovedError
from kitops_orchestration.oci import referrers
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor
from kitops_orchestration.oci.repository import ManifestRemover
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Items, Page, Paragraph
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import legacy, predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, SignsWhole, sign_statement
from kitops_orchestration.signing.evidence import ANNOTATION_BUNDLE_PREDICATE, is_fault_of_content
from kitops_orchestration.signing.signed_before import find_signed
from kitops_orchestration.signing.statement import Statement

if TYPE_CHECKING:
    from kitops_orchestration.oci.manifest import Manifest
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import PublicKey, Signer

Form = Literal["bundle", "legacy"]
FORMS: tuple[Form, ...] = ("bundle", "legacy")


@dataclass(frozen=True, slots=True)
class WrittenSignature:
    """One form of a signature in the registry; ``is_new`` is False when it was there already."""

    form: Form
    descriptor: Descriptor
    is_new: bool


@dataclass(frozen=True, slots=True)
class SignResult(Answer):
    """What was signed, and where the signatures are."""

    reference: Reference
    """Pinned by the digest that was signed."""
    signatures: tuple[WrittenSignature, ...]
    public_key: PublicKey | None
    """``None`` where it was signed keyless: then ``signer`` says by whom."""
    notes: tuple[str, ...] = ()
    """What whoever verifies it with another program may meet."""
    signer: str | None = None
    """Identity and issuer of a keyless signature."""

    @property
    def digest(self) -> str:
        """The manifest digest that was signed."""
        return self.reference.target

    @property
    def signed_as(self) -> str:
        """The fingerprint of the key, or who signed keyless."""
        return str(self.signer) if self.public_key is None else self.public_key.fingerprint

    def to_json(self) -> dict[str, Any]:
        """Return reference, key and signatures."""
        return {
            "reference": str(self.reference),
            "digest": self.digest,
            "key": self.signed_as,
            "signatures": [
                {"form": item.form, "digest": str(item.descriptor.digest), "isNew": item.is_new}
                for item in self.signatures
            ],
            **({"notes": list(self.notes)} if self.notes else {}),
        }

    def page(self) -> Page:
        """Return what was signed, and the command that checks the signature."""
        return Page.of(
            "",
            Paragraph.of("Signed ", Code(str(self.reference)), f" with {self.signed_as}"),
            Items(tuple(f"{item.form}: {'added' if item.is_new else 'was there already'}" for item in self.signatures)),
            *(Paragraph.of("Note: ", note) for note in self.notes),
            Paragraph.of("Who has the public key checks it: ", Code(f"kitctl verify {self.reference} --key FILE"))
            if self.public_key
            else Paragraph.of("It is checked by ", Code(f"kitctl verify {self.reference} --trust FILE")),
        )


class SignOptions(TypedDict, total=False):
    """What :func:`sign` takes by name and a client or an adapter hands through."""

    formats: Collection[Form]
    annotations: Mapping[str, str]
    limits: Limits


def sign(
    repository: Repository,
    target: str,
    signer: Signer,
    *,
    formats: Collection[Form] = FORMS,
    annotations: Mapping[str, str] = EMPTY,
    limits: Limits = Limits(),
) -> SignResult:
    """Sign the manifest at ``target``; signing again with the same key adds nothing.

    Both forms are written, or none: where one cannot be, the other is taken back.

    ``bundle`` is a referrer (cosign 3); ``legacy`` is the tag ``sha256-<hex>.sig`` (older cosign).  Write both
    while old verifiers are about: a new cosign that finds any bundle never looks at the tag.  A keyless signer writes
    bundles alone.

    Raises:
        TagMovedError: ``target`` is a tag and moved while this signed; what it points at now is not signed.
        NotFoundError: there is nothing at ``target``.
    """
    unknown = sorted(set(formats) - set(FORMS))
    if unknown or not formats:
        raise SignatureError(f"no such form of signature: {', '.join(unknown) or 'none given'}", advice=f"use {FORMS}")
    is_keyless = isinstance(signer, SignsWhole)
    if is_keyless:
        formats = FORMS[:1]
    subject = repository.resolve(target)
    digest = subject.digest
    statement = Statement.build(digest, predicate_types.SIGNATURE, {}, annotations=annotations)
    has_bundle, has_legacy = "bundle" in formats, "legacy" in formats
    # What cannot be read at the older tag stops a signature there before anything is written.
    questions: list[Callable[[], Any]] = [partial(_older, repository, digest, is_written=has_legacy)]
    if has_bundle:
        questions.append(partial(repository.referrers, digest))
    older, *lists = at_once(limits.concurrency, questions)
    before, draft = _bundle(repository, subject, statement, signer, lists[0]) if has_bundle else (None, None)
    key = None if is_keyless else signer.public_key
    legacy_draft = None
    if has_legacy:
        legacy_draft = legacy.draft_signature(repository, digest, signer, annotations, before=older)
    # All content goes ahead, while the tag is looked at again: without a manifest it is nothing.
    ahead: list[Callable[[], Any]] = [
        partial(repository.resolve, target),
        partial(_about_others, repository, digest, older if draft is not None else None, key),
    ]
    ahead += referrers.pushes(repository, *([] if draft is None else [draft]))
    ahead += [] if legacy_draft is None else legacy_draft.pushes(repository)
    found, notes, *_ = at_once(limits.concurrency, ahead)
    if found.digest != digest:
        raise TagMovedError(
            f"{repository.reference.name}:{target} moved while it was signed",
            expected=digest,
            found=found.digest,
            advice="sign a digest, or try again",
        )
    written = _write(repository, digest, before, draft, key, legacy_draft)
    where = repository.reference.with_digest(digest)
    if isinstance(signer, SignsWhole):
        return SignResult(where, written, None, notes, signer.signs_as())
    return SignResult(where, written, signer.public_key, notes)


def _older(repository: Repository, digest: str, *, is_written: bool) -> Manifest | None:
    """Return what is at the tag of older signatures; where none is written there, whatever it is stops nothing."""
    try:
        return legacy.at_tag(repository, digest)
    except KitOpsError as error:
        if is_written or not is_fault_of_content(error):
            raise
        return None


def _bundle(
    repository: Repository, subject: Descriptor, statement: Statement, signer: Signer, listed: Sequence[Descriptor]
) -> tuple[Descriptor | None, referrers.Draft | None]:
    """Return the bundle that is among the referrers already, or a new one that is not written yet."""
    before = find_signed(repository, subject, statement, signer, artifact_type=BUNDLE, referrers=listed)
    if before is not None:
        return before, None
    draft = referrers.Draft.of(
        subject,
        artifact_type=BUNDLE,
        layers=[(sign_statement(statement, signer), BUNDLE)],
        annotations={
            "dev.sigstore.bundle.content": "dsse-envelope",
            ANNOTATION_BUNDLE_PREDICATE: predicate_types.SIGNATURE,
        },
        is_new=True,
    )
    same = next((item for item in listed if item.digest == draft.manifest.digest), None)
    return (None, draft) if same is None or not referrers.is_there(repository, same) else (same, None)


def _write(
    repository: Repository,
    digest: str,
    before: Descriptor | None,
    draft: referrers.Draft | None,
    key: PublicKey | None,
    legacy_draft: legacy.Drafted | None,
) -> tuple[WrittenSignature, ...]:
    """Write the manifests, whose content is there: all of them, or none that counts.

    The older form goes first: it can be taken back where a registry deletes nothing, and a bundle cannot.
    """
    written: list[WrittenSignature] = []
    if legacy_draft is not None and key is not None:
        written.append(WrittenSignature("legacy", *legacy.add_signature(repository, digest, key, legacy_draft)))
    if before is not None:
        written.append(WrittenSignature("bundle", before, is_new=False))
    if draft is not None:
        try:
            # A cancel waits for this answer: what is on its way cannot be taken back.
            stopped_by(repository, threading.Event()).push_manifest(draft.manifest)
        except BaseException as error:  # whatever it was, it goes on; a signature that failed shall not count
            is_new = any(item.is_new for item in written)
            left = _take_back(repository, digest, draft, legacy_draft if is_new else None)
            if left:
                legacy.tell_what_counts(error, left)
            raise
        written.append(WrittenSignature("bundle", referrers.describe(draft.manifest), is_new=True))
    return tuple(sorted(written, key=lambda item: FORMS.index(item.form)))


def _take_back(
    repository: Repository, digest: str, draft: referrers.Draft, legacy_draft: legacy.Drafted | None
) -> str | None:
    """Take back what was written of a signature that failed; return what may still count, for people."""
    left = []
    awake = stopped_by(repository, threading.Event())  # a cancel is what may have brought us here
    try:
        if any(item.digest == draft.manifest.digest for item in awake.referrers(digest)):
            if isinstance(awake, ManifestRemover):
                awake.delete_manifest(draft.manifest.digest)
            else:
                left.append(f"the bundle {draft.manifest.digest}")
    except NotFoundError:
        pass
    except KitOpsError:
        left.append(f"the bundle {draft.manifest.digest}")
    if legacy_draft is not None and not legacy.is_taken_back(repository, digest, legacy_draft):
        left.append(f"the signature at {legacy.signature_tag(digest)}")
    return " and ".join(left) or None


def _about_others(
    repository: Repository, digest: str, older: Manifest | None, key: PublicKey | None
) -> tuple[str, ...]:
    """Return what a new bundle does to the older signatures of others; what they are is verified by whoever asks."""
    if older is None:
        return ()
    try:
        found = legacy.signatures_of(repository, older, legacy.signature_tag(digest))
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        return ()  # what cannot be read is no signature that anybody loses
    others = sum(key is None or not key.verifies(item.signature, item.payload) for item in found)
    if not others:
        return ()
    whose = "1 signature of another key" if others == 1 else f"{others} signatures of other keys"
    note = (
        f"at {legacy.signature_tag(digest)} there is {whose}, in cosign's older form: cosign 3 looks at bundles first "
        "and, now that there is one, not at that tag any more. Who signed there may sign again as a bundle."
    )
    return (note,)
