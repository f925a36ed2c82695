"""Sign a ModelKit, in the two forms that verifiers in the field read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from kitops_orchestration.errors import KitOpsError, SignatureError, TagMovedError
from kitops_orchestration.oci import referrers
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor
from kitops_orchestration.oci.repository import at_once, remembering
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Items, Page, Paragraph
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import legacy, predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, SignsWhole, sign_statement
from kitops_orchestration.signing.evidence import ANNOTATION_BUNDLE_PREDICATE, claimed_type, is_fault_of_content
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
    repository = remembering(repository)
    subject = repository.resolve(target)
    statement = Statement.build(subject.digest, predicate_types.SIGNATURE, {}, annotations=annotations)
    bundle = _bundle(repository, subject, statement, signer) if "bundle" in formats else _Bundle()
    before, draft = bundle.before, bundle.draft
    ahead = bundle.sent_ahead(repository, subject, annotations if "legacy" in formats else None)
    older = _send_ahead(repository, target, subject, ahead, limits)
    # The manifests are written one after the other: who was told that signing failed, must not find a signature that
    # counts.
    written: list[WrittenSignature] = []
    if before is not None:
        written.append(WrittenSignature("bundle", before, is_new=False))
    if draft is not None:
        repository.push_manifest(draft.manifest)
        written.append(WrittenSignature("bundle", referrers.describe(draft.manifest), is_new=True))
    if "legacy" in formats:
        added = legacy.add_signature(repository, subject.digest, signer, annotations, is_probably_new=draft is not None)
        written.append(WrittenSignature("legacy", added.descriptor, added.is_new))
        older = added.before
    key = None if is_keyless else signer.public_key
    notes = () if draft is None or older is None else _about_others(repository, subject.digest, older, key)
    where = repository.reference.with_digest(subject.digest)
    if isinstance(signer, SignsWhole):
        return SignResult(where, tuple(written), None, notes, signer.signs_as())
    return SignResult(where, tuple(written), signer.public_key, notes)


@dataclass(frozen=True, slots=True)
class _Bundle:
    """A bundle that is there already, or a new one that is not written yet."""

    before: Descriptor | None = None
    draft: referrers.Draft | None = None
    is_first: bool = True
    """False where others have signed: then what is at the older tag decides what goes there."""

    def sent_ahead(
        self, repository: Repository, subject: Descriptor, annotations: Mapping[str, str] | None
    ) -> list[Callable[[], Any]]:
        """Return calls that store content, the first to read the older signatures; without a new bundle there are none.

        ``annotations`` are those of an older signature, where one is written, too.
        """
        if self.draft is None:
            return []
        older = partial(_older, repository, subject.digest, is_asked=annotations is None)
        is_guessed = annotations is not None and self.is_first
        legacies = legacy.pushes_ahead(repository, subject.digest, annotations or EMPTY) if is_guessed else []
        return [older, *self.draft.pushes(repository), *legacies]


def _bundle(repository: Repository, subject: Descriptor, statement: Statement, signer: Signer) -> _Bundle:
    listed = repository.referrers(subject.digest)
    before = find_signed(repository, subject, statement, signer, artifact_type=BUNDLE, referrers=listed)
    if before is not None:
        return _Bundle(before)
    draft = referrers.Draft.of(
        subject,
        artifact_type=BUNDLE,
        layers=[(sign_statement(statement, signer), BUNDLE)],
        annotations={
            "dev.sigstore.bundle.content": "dsse-envelope",
            ANNOTATION_BUNDLE_PREDICATE: predicate_types.SIGNATURE,
        },
    )
    same = next((item for item in listed if item.digest == draft.manifest.digest), None)
    is_first = all(claimed_type(item) != predicate_types.SIGNATURE for item in listed)
    return _Bundle(None, draft, is_first) if same is None else _Bundle(same)


def _send_ahead(
    repository: Repository,
    target: str,
    subject: Descriptor,
    ahead: Sequence[Callable[[], Any]],
    limits: Limits,
) -> Manifest | None:
    """Send the content, all of it at once, while the tag is looked at again: without a manifest it is nothing.

    Returns what is at the tag of older signatures, where nothing is written there.
    """
    found, *answers = at_once(limits, [partial(repository.resolve, target), *ahead])
    if found.digest != subject.digest:
        raise TagMovedError(
            f"{repository.reference.name}:{target} moved while it was signed",
            expected=subject.digest,
            found=found.digest,
            advice="sign a digest, or try again",
        )
    return answers[0] if answers else None


def _older(repository: Repository, digest: str, *, is_asked: bool) -> Manifest | None:
    try:
        return legacy.at_tag(repository, digest) if is_asked else None
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        return None  # what cannot be read is no signature that anybody loses


def _about_others(repository: Repository, digest: str, older: Manifest, key: PublicKey | None) -> tuple[str, ...]:
    """Return what a new bundle does to the older signatures of others; what they are is verified by whoever asks."""
    try:
        found = legacy.signatures_of(repository, older, legacy.signature_tag(digest))
    except KitOpsError:
        return ()  # it is signed by now: a note that cannot be made is no reason to say that it failed
    others = sum(key is None or not key.verifies(item.signature, item.payload) for item in found)
    if not others:
        return ()
    whose = "1 signature of another key" if others == 1 else f"{others} signatures of other keys"
    note = (
        f"at {legacy.signature_tag(digest)} there is {whose}, in cosign's older form: cosign 3 looks at bundles first "
        "and, now that there is one, not at that tag any more. Who signed there may sign again as a bundle."
    )
    return (note,)
