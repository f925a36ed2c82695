"""Sign a ModelKit, in the two forms that verifiers in the field read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kitops_orchestration.errors import SignatureError, TagMovedError
from kitops_orchestration.oci import referrers
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor
from kitops_orchestration.signing import legacy, predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, sign_statement
from kitops_orchestration.signing.evidence import ANNOTATION_BUNDLE_PREDICATE
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
class SignResult:
    """What was signed, and where the signatures are."""

    reference: Reference
    """Pinned by the digest that was signed."""
    signatures: tuple[WrittenSignature, ...]
    public_key: PublicKey

    @property
    def digest(self) -> str:
        """The manifest digest that was signed."""
        return self.reference.target

    def to_json(self) -> dict[str, Any]:
        """Return reference, key and signatures."""
        return {
            "reference": str(self.reference),
            "digest": self.digest,
            "key": self.public_key.fingerprint,
            "signatures": [
                {"form": item.form, "digest": str(item.descriptor.digest), "isNew": item.is_new}
                for item in self.signatures
            ],
        }

    def to_markdown(self) -> str:
        """Return a few lines for people, with the command that checks the signature."""
        lines = [f"- {item.form}: {'added' if item.is_new else 'was there already'}" for item in self.signatures]
        head = f"Signed `{self.reference}` with {self.public_key.fingerprint}\n\n"
        return (
            head
            + "\n".join(lines)
            + f"\n\nWho has the public key checks it: `kitctl verify {self.reference} --key FILE`\n"
        )


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
    while old verifiers are about: a new cosign that finds any bundle never looks at the tag.

    Raises:
        TagMovedError: ``target`` is a tag and moved while this signed; what it points at now is not signed.
        NotFoundError: there is nothing at ``target``.
    """
    unknown = sorted(set(formats) - set(FORMS))
    if unknown or not formats:
        raise SignatureError(f"no such form of signature: {', '.join(unknown) or 'none given'}", advice=f"use {FORMS}")
    subject = repository.resolve(target)
    bundle = _bundle(subject, signer, annotations) if "bundle" in formats else None
    found = repository.resolve(target).digest
    if found != subject.digest:
        raise TagMovedError(
            f"{repository.reference.name}:{target} moved while it was signed",
            expected=subject.digest,
            found=found,
            advice="sign a digest, or try again",
        )
    written = []
    if bundle is not None:
        written.append(_write_bundle(repository, subject, bundle))
    if "legacy" in formats:
        written.append(
            WrittenSignature("legacy", *legacy.add_signature(repository, subject.digest, signer, annotations))
        )
    return SignResult(repository.reference.with_digest(subject.digest), tuple(written), signer.public_key)


def _bundle(subject: Descriptor, signer: Signer, annotations: Mapping[str, str]) -> bytes:
    statement = Statement.build(subject.digest, predicate_types.SIGNATURE, {}, annotations=annotations)
    return sign_statement(statement, signer)


def _write_bundle(repository: Repository, subject: Descriptor, bundle: bytes) -> WrittenSignature:
    result = referrers.attach(
        repository,
        subject,
        artifact_type=BUNDLE,
        layers=[(bundle, BUNDLE)],
        annotations={
            "dev.sigstore.bundle.content": "dsse-envelope",
            ANNOTATION_BUNDLE_PREDICATE: predicate_types.SIGNATURE,
        },
    )
    return WrittenSignature("bundle", result.descriptor, result.is_new)
