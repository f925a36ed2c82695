"""The directory signature of a ModelKit, kept beside it in the registry.

A directory signature says nothing of a manifest: its subject is a list of files.  So a second, small statement is
attached that ties the list's root to the manifest digest; without it a list could be moved to another ModelKit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.disk.hidden_folder import scratch_folder
from kitops_orchestration.errors import SignatureError
from kitops_orchestration.oci import referrers
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Page, Paragraph
from kitops_orchestration.presentation.value_text import counted
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, sign_directory_statement, sign_statement
from kitops_orchestration.signing.directory import FileList, list_directory
from kitops_orchestration.signing.evidence import (
    ANNOTATION_BUNDLE_PREDICATE,
    DIRECTORY_SIGNATURE,
    Evidence,
    fetch_attached,
    read_evidence,
)
from kitops_orchestration.signing.signed_before import find_signed
from kitops_orchestration.signing.statement import Statement

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class SignedFiles:
    """The files of a ModelKit, by digest, as somebody signed them."""

    files: FileList
    evidence: Evidence
    """The directory signature."""
    is_bound: bool
    """True when a statement about the manifest names the same list, and is as good as the evidence."""


@dataclass(frozen=True, slots=True)
class SignedDirectory(Answer):
    """A directory signature in the registry; ``is_new`` is False when it was there already."""

    descriptor: Descriptor
    files: FileList
    content: bytes
    """The signature itself: write it to ``model.sig`` for a folder that leaves the registry's reach."""
    is_new: bool

    def to_json(self) -> dict[str, Any]:
        """Return where it is, and how many files it lists."""
        return {
            "digest": str(self.descriptor.digest),
            "root": self.files.root,
            "files": len(self.files.files),
            "isNew": self.is_new,
        }

    def page(self) -> Page:
        """Return one sentence."""
        state = "added" if self.is_new else "which was there already"
        return Page.of("", Paragraph.of(f"Signed a list of {counted(len(self.files.files), 'file')}, {state}"))


def sign_files(
    repository: Repository, target: str, signer: Signer, *, directory: Path | None = None, limits: Limits = Limits()
) -> SignedDirectory:
    """Sign the files of the ModelKit at ``target`` and attach the signature; doing it again adds nothing.

    ``directory`` is where the ModelKit is unpacked, whole and with its Kitfile; without one it is unpacked into a
    temporary folder, which reads every layer.
    """
    subject = repository.resolve(target)
    with _unpacked(repository, subject, directory, limits) as folder:
        files = list_directory(folder, name=repository.reference.repository, limits=limits)
    listed = files.to_statement()
    before = find_signed(repository, subject, listed, signer, artifact_type=DIRECTORY_SIGNATURE)
    if before is None:
        content = sign_directory_statement(listed, signer)
        attached = _attach(repository, subject, content, DIRECTORY_SIGNATURE, predicate_types.DIRECTORY)
    else:
        attached = referrers.AttachResult(before, is_new=False)
        content = fetch_attached(repository, subject.digest, before)[1] or b""
    binding = Statement.build(
        subject.digest, predicate_types.FILE_LIST, {"root": {"sha256": files.root}, "files": len(files.files)}
    )
    if find_signed(repository, subject, binding, signer, artifact_type=BUNDLE) is None:
        _attach(repository, subject, sign_statement(binding, signer), BUNDLE, predicate_types.FILE_LIST)
    return SignedDirectory(attached.descriptor, files, content, attached.is_new)


def _attach(
    repository: Repository, subject: Descriptor, content: bytes, kind: str, predicate_type: str
) -> referrers.AttachResult:
    annotations = {"dev.sigstore.bundle.content": "dsse-envelope", ANNOTATION_BUNDLE_PREDICATE: predicate_type}
    return referrers.attach(repository, subject, artifact_type=kind, layers=[(content, kind)], annotations=annotations)


@contextmanager
def _unpacked(repository: Repository, subject: Descriptor, directory: Path | None, limits: Limits) -> Iterator[Path]:
    if directory is not None:
        yield directory
        return
    from kitops_orchestration.modelkit.unpack import unpack

    with scratch_folder(None, "kitops-sign") as scratch:
        unpack(repository, subject.digest, scratch.path, limits=limits)
        yield scratch.path


def read_files(
    repository: Repository,
    digest: str,
    *,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> SignedFiles | None:
    """Return the newest directory signature of a manifest that counts, or ``None``; no layer is fetched.

    With a trust policy only a verified and bound list counts.
    """
    wanted = {predicate_types.DIRECTORY, predicate_types.FILE_LIST}
    evidence = read_evidence(repository, digest, predicate_types=wanted, trust=trust, at=at, limits=limits)
    return choose_files(evidence, is_trust_given=trust is not None)


def bound_roots(evidence: Sequence[Evidence], *, is_trust_given: bool) -> set[str]:
    """Return the roots of file lists that statements about the manifest itself name."""
    usable = [item for item in evidence if item.is_verified or not is_trust_given]
    return {root for root in map(_bound_root, usable) if root is not None}


def choose_files(evidence: Sequence[Evidence], *, is_trust_given: bool) -> SignedFiles | None:
    """Pick the directory signature that counts out of evidence that was read."""
    usable = [item for item in evidence if item.statement is not None and (item.is_verified or not is_trust_given)]
    roots = bound_roots(evidence, is_trust_given=is_trust_given)
    found = None
    for item in usable:
        if item.statement is None or item.predicate_type != predicate_types.DIRECTORY:
            continue
        try:
            files = FileList.from_statement(item.statement)
        except SignatureError:
            continue  # a list that cannot be read hides no other
        if files.root in roots or not is_trust_given:
            found = SignedFiles(files, item, files.root in roots)
    return found


def _bound_root(item: Evidence) -> str | None:
    """Return the root that a statement about the manifest names, or ``None`` for any other statement."""
    if item.statement is None or item.predicate_type != predicate_types.FILE_LIST or not item.is_about_subject:
        return None
    root = item.statement.predicate.get("root")
    return str(root.get("sha256")) if isinstance(root, dict) else None
