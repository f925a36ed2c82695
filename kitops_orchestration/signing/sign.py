"""Sign a ModelKit, in the two forms that verifiers in the field read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from kitops_orchestration.errors import KitOpsError, SignatureError, TagMovedError
from kitops_orchestration.oci import referrers
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Items, Page, Paragraph
from kitops_orchestration.signing import legacy, predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, SignsWhole, sign_statement
from kitops_orchestration.signing.evidence import ANNOTATION_BUNDLE_PREDICATE, is_fault_of_content
from kitops_orchestration.signing.signed_before import find_signed
from kitops_orchestration.signing.statement import Statement

if TYPE_CHECKING:
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


def sign(
    repository: Repository,
    target: str,
    signer: Signer,
    *,
    formats: Collection[Form] = FORMS,
    annotations: Mapping[str, str] = EMPTY,
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
    subject = repository.resolve(target)
    statement = Statement.build(subject.digest, predicate_types.SIGNATURE, {}, annotations=annotations)
    before = bundle = None
    listed: list[Descriptor] = []
    if "bundle" in formats:
        listed = repository.referrers(subject.digest)
        before = find_signed(repository, subject, statement, signer, artifact_type=BUNDLE, referrers=listed)
        bundle = sign_statement(statement, signer) if before is None else None
    found = repository.resolve(target).digest
    if found != subject.digest:
        raise TagMovedError(
            f"{repository.reference.name}:{target} moved while it was signed",
            expected=subject.digest,
            found=found,
            advice="sign a digest, or try again",
        )
    written: list[WrittenSignature] = []
    notes: tuple[str, ...] = ()
    key = None if is_keyless else signer.public_key
    with ThreadPoolExecutor(max_workers=1) as pool:
        # What others signed is looked at meanwhile. The forms themselves are written one after the other: who was told
        # that signing failed, must not find a signature that counts.
        others = pool.submit(_about_others, repository, subject.digest, key) if bundle is not None else None
        if before is not None:
            written.append(WrittenSignature("bundle", before, is_new=False))
        if bundle is not None:
            written.append(_write_bundle(repository, subject, bundle, listed))
        if others is not None and written[0].is_new:
            notes = others.result()
    if "legacy" in formats:
        written.append(
            WrittenSignature("legacy", *legacy.add_signature(repository, subject.digest, signer, annotations))
        )
    where = repository.reference.with_digest(subject.digest)
    if isinstance(signer, SignsWhole):
        return SignResult(where, tuple(written), None, notes, signer.signs_as())
    return SignResult(where, tuple(written), signer.public_key, notes)


def _about_others(repository: Repository, digest: str, key: PublicKey | None) -> tuple[str, ...]:
    """Return what a new bundle does to the older signatures of others; what they are is verified by whoever asks."""
    try:
        found = legacy.read_signatures(repository, digest)
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


def _write_bundle(
    repository: Repository, subject: Descriptor, bundle: bytes, listed: Sequence[Descriptor]
) -> WrittenSignature:
    result = referrers.attach(
        repository,
        subject,
        artifact_type=BUNDLE,
        layers=[(bundle, BUNDLE)],
        annotations={
            "dev.sigstore.bundle.content": "dsse-envelope",
            ANNOTATION_BUNDLE_PREDICATE: predicate_types.SIGNATURE,
        },
        listed=listed,
    )
    return WrittenSignature("bundle", result.descriptor, result.is_new)
