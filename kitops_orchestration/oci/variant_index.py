"""An index of ModelKits: made of those of one repository, and shown.

The other side of :mod:`.variant`, which chooses one.

Source: OCI image-spec v1.1, image-index.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from kitops_orchestration.errors import InvalidReferenceError, UnsupportedModelKitError
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor
from kitops_orchestration.oci.manifest import Index, Manifest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.variant import Wish, platform_of
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Facts, Page, Table

_PLATFORM = ("os", "architecture", "variant")


@dataclass(frozen=True, slots=True)
class Indexed(Answer):
    """An index, and what it holds."""

    reference: Reference
    """Of the index, pinned."""
    entries: tuple[Descriptor, ...]
    """As they stand in the index; an index inside of it is one entry."""
    annotations: Mapping[str, str]
    """Of the index itself."""

    def to_json(self) -> dict[str, Any]:
        """Return reference, digest, annotations, and each entry with what it is chosen by."""
        return {
            "reference": str(self.reference),
            "digest": str(self.reference.digest),
            "annotations": dict(self.annotations),
            "variants": [
                {
                    "digest": str(entry.digest),
                    "mediaType": entry.media_type,
                    "platform": platform_of(entry) or None,
                    "annotations": dict(entry.annotations),
                }
                for entry in self.entries
            ],
        }

    def page(self) -> Page:
        """Return what there is to choose from."""
        rows = [
            (platform_of(entry), ", ".join(f"{key}={value}" for key, value in sorted(entry.annotations.items())),
             Code(entry.digest.short))
            for entry in self.entries
        ]  # fmt: skip
        facts = Facts.of(("index", Code(str(self.reference))), *sorted(self.annotations.items()))
        return Page.of("", facts, Table.of(("platform", "annotations", "digest"), rows, empty="It holds nothing."))


class IndexOptions(TypedDict, total=False):
    """What :func:`index` takes by name and a client or an adapter hands through."""

    variants: Sequence[tuple[str, Sequence[str]]]
    annotations: Mapping[str, str]


def index(
    repository: Repository,
    target: str,
    *,
    variants: Sequence[tuple[str, Sequence[str]]] = (),
    annotations: Mapping[str, str] = EMPTY,
) -> Indexed:
    """Make an index of ModelKits under the tag ``target``; without ``variants`` return what is there.

    Args:
        repository: holds the ModelKits, and will hold the index.
        target: the tag of the index; to show one, also its digest.
        variants: for each its tag or digest in the repository, and what it is chosen by: annotations
            (``quantization=Q4_K_M``) and at most one platform (``linux/arm64``), as ``choose`` takes them.
        annotations: of the index itself.

    Raises:
        InvalidReferenceError: an entry is not told apart from the others by what is said of it, or ``target`` is none.
        NotFoundError: an entry is not in the repository.
        UnsupportedModelKitError: an entry is an index itself, or what is to be shown is none.
    """
    if not variants:
        return _shown(repository, target)
    tag = repository.reference.with_tag(target)
    entries = [_entry(repository, name, said) for name, said in variants]
    _refuse_doubles(variants, entries)
    made = Index.build(entries, annotations=annotations)
    repository.push_manifest(made, tag=target)
    return Indexed(tag.with_digest(made.digest), made.manifests, made.annotations)


def _shown(repository: Repository, target: str) -> Indexed:
    node = repository.fetch_manifest(target)
    named = repository.reference if ":" in target else repository.reference.with_tag(target)
    where = named.with_digest(node.digest)
    if not isinstance(node, Index):
        raise UnsupportedModelKitError(f"{where} is no index", advice="`kitctl inspect` shows what it is")
    return Indexed(where, node.manifests, node.annotations)


def _entry(repository: Repository, name: str, said: Sequence[str]) -> Descriptor:
    repository.reference.with_digest(name) if ":" in name else repository.reference.with_tag(name)  # its grammar
    node = repository.fetch_manifest(name)
    if not isinstance(node, Manifest):
        raise UnsupportedModelKitError(
            f"{name} of {repository.reference} is an index itself", advice="name the ModelKits that it holds"
        )
    wishes = [Wish.parse(text) for text in said]
    platforms = [wish.value for wish in wishes if not wish.key]
    if len(platforms) > 1:
        raise InvalidReferenceError(
            f"{name} of {repository.reference} has two platforms: {' and '.join(platforms)}", advice="give one"
        )
    extra: dict[str, Any] = {"artifactType": node.artifact_type} if node.artifact_type else {}
    if platforms:
        extra["platform"] = dict(zip(_PLATFORM, platforms[0].split("/"), strict=False))
    facts = {wish.key: wish.value for wish in wishes if wish.key}
    if len(facts) + len(platforms) < len(wishes):
        raise InvalidReferenceError(f"{name} of {repository.reference} has an annotation twice: {' '.join(said)}")
    return replace(node.descriptor, annotations=facts, extra=extra)


def _refuse_doubles(variants: Sequence[tuple[str, Sequence[str]]], entries: Sequence[Descriptor]) -> None:
    """Nobody could choose an entry of which all that is said is true of another one, too."""
    for (name, said), entry in zip(variants, entries, strict=True):
        others = [
            other_name
            for (other_name, _), other in zip(variants, entries, strict=True)
            if other is not entry and all(Wish.parse(text).fits(other) for text in said)
        ]
        if others:
            raise InvalidReferenceError(
                f"{name} cannot be chosen: {' '.join(said) or 'nothing'} is all that is said of it, and fits "
                f"{', '.join(others)} as well",
                advice="say more of it, for example quantization=Q4_K_M or linux/arm64",
            )
