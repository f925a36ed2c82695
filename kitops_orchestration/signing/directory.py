"""Directory signature: OpenSSF model signing 1.0 over the files of a folder.

It is a signed list of file digests.  It verifies an unpacked folder where no registry is at hand, and two lists
tell which files changed between versions without fetching a weight.
Source: ossf/model-signing-spec v1.0, serialization method ``files``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kitops_orchestration.errors import SignatureError, VerificationError
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Page, Paragraph
from kitops_orchestration.presentation.value_text import counted
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.bundle import Bundle, sign_directory_statement
from kitops_orchestration.signing.statement import ResourceDescriptor, Statement
from kitops_orchestration.signing.trust import TrustPolicy

if TYPE_CHECKING:
    from kitops_orchestration.signing.keys import PublicKey, Signer

SIGNATURE_FILE = "model.sig"
"""Where model signing keeps the signature inside a folder; never part of what is signed."""
GIT_PATHS = (".git", ".gitattributes", ".github", ".gitignore")
_SHA256_HEX = 64


@dataclass(frozen=True, slots=True)
class FileChanges:
    """What differs between two lists of files; paths are relative, with ``/``."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def to_json(self) -> dict[str, list[str]]:
        """Return three lists of paths."""
        return {"added": list(self.added), "removed": list(self.removed), "changed": list(self.changed)}

    @property
    def shown(self) -> str:
        """The differences in a line, the first ones by name."""
        parts = [
            f"{len(paths)} {verb} ({', '.join(paths[:3])}{', …' if len(paths) > 3 else ''})"
            for verb, paths in (("added", self.added), ("removed", self.removed), ("changed", self.changed))
            if paths
        ]
        return ", ".join(parts) or "no difference"


@dataclass(frozen=True, slots=True)
class FileList:
    """The files of a folder by digest, as a signature lists them."""

    name: str
    files: Mapping[str, str] = field(hash=False)
    """Relative path with ``/`` to SHA-256 in hexadecimal, in order of code points."""
    ignored: tuple[str, ...] = GIT_PATHS
    """Paths, from the top, that are not looked at."""
    follows_links: bool = False

    @property
    def root(self) -> str:
        """SHA-256 over the digests in order: one name for all of the files."""
        return _root(self.files.values())

    @classmethod
    def of(
        cls,
        directory: Path,
        *,
        name: str | None = None,
        ignored: Collection[str] = GIT_PATHS,
        follows_links: bool = False,
        limits: Limits = Limits(),
    ) -> Self:
        """Hash the files below ``directory``, several at a time.

        Raises:
            SignatureError: not a folder, a symbolic link in it, or a file that cannot be read.
        """
        if not directory.is_dir():
            raise SignatureError(
                f"not a folder: {directory}", advice="give the folder that the ModelKit was unpacked to"
            )
        paths = list(_walk(directory, "", frozenset(ignored), follows_links))
        with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
            digests = list(pool.map(lambda path: _digest(directory / path), paths))
        files = dict(sorted(zip(paths, digests, strict=True)))
        shown = name or directory.resolve().name
        return cls(shown, files, tuple(sorted(ignored)), follows_links)

    @classmethod
    def from_statement(cls, statement: Statement) -> Self:
        """Read the list out of a directory signature.

        Raises:
            SignatureError: another predicate type or method, or a list that contradicts its own root.
        """
        if statement.predicate_type != predicate_types.DIRECTORY:
            raise SignatureError(f"not a directory signature but {statement.predicate_type}")
        try:
            serialization = statement.predicate["serialization"]
            method, algorithm = serialization["method"], serialization["hash_type"]
            resources = statement.predicate["resources"]
            files = {item["name"]: item["digest"] for item in resources}
            algorithms = {item["algorithm"] for item in resources}
            ignored = tuple(serialization.get("ignore_paths") or ())
        except (KeyError, TypeError, AttributeError) as error:
            raise SignatureError(f"the directory signature lacks {error}") from error
        if method != "files" or algorithm != "sha256" or algorithms - {"sha256"}:
            raise SignatureError(
                f"the directory signature uses {method!r} with {algorithm!r}",
                advice="sign the files with sha256, which is what model signing does unless told otherwise",
            )
        if len(files) != len(resources) or not all(map(_is_entry, files.items())) or not all(map(_is_text, ignored)):
            raise SignatureError("the directory signature lists a path twice, or something that is no relative path")
        subject = statement.subject[0]
        if len(statement.subject) != 1 or subject.digest.get("sha256") != _root(files.values()):
            raise SignatureError("the directory signature contradicts itself: its root is not that of its files")
        return cls(subject.name or "", files, ignored, serialization.get("allow_symlinks") is True)

    def to_statement(self) -> Statement:
        """Return what is signed, members in the order that model signing's documentation shows."""
        predicate = {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": self.follows_links,
                "ignore_paths": list(self.ignored),
            },
            "resources": [
                {"name": name, "digest": digest, "algorithm": "sha256"} for name, digest in self.files.items()
            ],
        }
        subject = ResourceDescriptor(self.name, digest={"sha256": self.root})
        return Statement.of((subject,), predicate_types.DIRECTORY, predicate)

    def changes_to(self, other: FileList) -> FileChanges:
        """Return what has to be done to this list to get ``other``."""
        common = self.files.keys() & other.files.keys()
        return FileChanges(
            tuple(sorted(other.files.keys() - common)),
            tuple(sorted(self.files.keys() - common)),
            tuple(sorted(path for path in common if self.files[path] != other.files[path])),
        )


@dataclass(frozen=True, slots=True)
class DirectoryResult(Answer):
    """The verdict on a folder."""

    directory: Path
    is_verified: bool
    reason: str
    signer: str | None = None
    changes: FileChanges = FileChanges()
    files: int = 0

    def require(self) -> Self:
        """Return this, or raise :class:`VerificationError` with the reason."""
        if not self.is_verified:
            raise VerificationError(
                f"{self.directory} does not verify: {self.reason}",
                advice="unpack the ModelKit again into an empty folder; if it still fails, do not use it",
            )
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the verdict and what differs."""
        return {
            "isVerified": self.is_verified,
            "reason": self.reason,
            "signer": self.signer,
            "files": self.files,
            "changes": self.changes.to_json(),
        }

    def page(self) -> Page:
        """Return the verdict."""
        verdict = "Verified" if self.is_verified else "NOT verified"
        return Page.of("", Paragraph.of(f"{verdict}: {counted(self.files, 'file')}: {self.reason}"))


def sign_directory(
    directory: Path, signer: Signer, *, name: str | None = None, ignored: Sequence[str] = (), limits: Limits = Limits()
) -> bytes:
    """Return the signature over a folder; write it to ``model.sig`` there if it shall travel with the files.

    ``ignored`` adds paths, from the top, to git's own and to the signature itself, which are never signed.
    """
    files = list_directory(directory, name=name, ignored=ignored, limits=limits)
    return sign_directory_statement(files.to_statement(), signer)


def list_directory(
    directory: Path, *, name: str | None = None, ignored: Sequence[str] = (), limits: Limits = Limits()
) -> FileList:
    """Return what a signature over the folder lists."""
    return FileList.of(directory, name=name, ignored={*GIT_PATHS, SIGNATURE_FILE, *ignored}, limits=limits)


def verify_directory(
    directory: Path,
    signature: bytes,
    *,
    key: PublicKey | None = None,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> DirectoryResult:
    """Hold a folder against a directory signature; no registry is needed.

    Every file has to be listed and every listed file there, with its digest.

    Raises:
        SignatureError: the signature cannot be read, or the folder cannot.
        VerificationError: neither a key nor a trust policy was given.
    """
    if (key is None) == (trust is None):
        raise VerificationError("verification needs either a key or a trust policy", advice="give one of them")
    policy = trust if trust is not None else TrustPolicy.for_key(key)  # type: ignore[arg-type]  # one of them is given
    bundle = Bundle.parse(signature)
    judgement = policy.judge(bundle.verify(policy.public_keys), predicate_types.DIRECTORY, at=at)
    signer = judgement.identity.id if judgement.identity else None
    if not judgement.counts:
        return DirectoryResult(directory, False, judgement.reason, signer)
    signed = FileList.from_statement(bundle.statement())
    found = FileList.of(
        directory, ignored={*signed.ignored, SIGNATURE_FILE}, follows_links=signed.follows_links, limits=limits
    )
    changes = signed.changes_to(found)
    reason = changes.shown if changes else judgement.reason
    return DirectoryResult(directory, not changes, reason, signer, changes, len(signed.files))


def _root(digests: Collection[str]) -> str:
    return hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest()


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_entry(item: tuple[Any, Any]) -> bool:
    path, digest = item
    if not isinstance(path, str) or not isinstance(digest, str) or len(digest) != _SHA256_HEX:
        return False
    is_inside = not path.startswith("/") and ".." not in path.split("/")
    return is_inside and not set(digest) - set("0123456789abcdef")


def _walk(directory: Path, prefix: str, ignored: frozenset[str], follows_links: bool) -> Iterator[str]:
    try:
        with os.scandir(directory) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        raise SignatureError(f"cannot read the folder {directory}: {error.strerror}") from error
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if path in ignored:
            continue
        if entry.is_symlink() and not follows_links:
            raise SignatureError(
                f"a symbolic link cannot be signed: {path}", advice="replace it by the file it points at, or ignore it"
            )
        if entry.is_dir():
            yield from _walk(Path(entry.path), f"{path}/", ignored, follows_links)
        elif entry.is_file():
            yield path
        else:
            raise SignatureError(f"neither a file nor a folder: {path}", advice="remove it, or ignore it")


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SignatureError(f"cannot read {path}: {error.strerror}") from error
