"""One of several artifacts under one tag: an index of ModelKits (quantisations, adapters, platforms), and a choice.

Source: OCI image-spec v1.1, image-index.md: ``platform`` and ``annotations`` of the entries.

    >>> Wish.parse("quantization=Q4_K_M"), Wish.parse("linux/arm64")
    (Wish(key='quantization', value='Q4_K_M'), Wish(key='', value='linux/arm64'))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from kitops_orchestration.errors import InvalidReferenceError, ModelKitError, NotFoundError
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import ManifestReader

_MOST_DEPTH = 4
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Wish:
    """What an entry has to have: an annotation, or a platform where ``key`` is empty."""

    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``KEY=VALUE``, ``os/architecture`` or ``os/architecture/variant``.

        Raises:
            InvalidReferenceError: it is neither.
        """
        key, equals, value = text.partition("=")
        if equals and key.strip() and value:
            return cls(key.strip(), value)
        if not equals and text.count("/") in (1, 2) and all(text.split("/")):
            return cls("", text.lower())
        raise InvalidReferenceError(
            f"not a variant: {text!r}", advice="write KEY=VALUE of an annotation, or a platform as linux/arm64"
        )

    def fits(self, entry: Descriptor) -> bool:
        """Tell whether an entry has it; a key may be the last part of an annotation's, behind a dot or a slash."""
        if not self.key:
            platform = platform_of(entry)
            return platform == self.value or platform.startswith(f"{self.value}/")
        return any(
            value == self.value and (key == self.key or key.endswith((f".{self.key}", f"/{self.key}")))
            for key, value in entry.annotations.items()
        )


def choose(repository: ManifestReader, target: str, wanted: Sequence[str] = ()) -> Descriptor:
    """Return the one manifest at a tag or digest that has all that is wanted; the bytes are verified on the way.

    What is no index is itself, where nothing is wanted.  An index in an index is looked into.

    Raises:
        NotFoundError: nothing there has it.
        InvalidReferenceError: several have, or something is wanted of what is no index.
    """
    wishes = [Wish.parse(text) for text in wanted]
    node = repository.fetch_manifest(target)
    where = repository.reference.with_digest(target) if ":" in target else repository.reference.with_tag(target)
    if not isinstance(node, Index):
        if wishes:
            raise InvalidReferenceError(f"{where} has no variants", advice="leave the variant out")
        return node.descriptor
    entries = _entries(repository, node, _MOST_DEPTH)
    fitting = {entry.digest: entry for entry in entries if all(wish.fits(entry) for wish in wishes)}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if not fitting:
        raise NotFoundError(
            f"{where} has no variant {' '.join(wanted)}".rstrip(),
            operation="choose a variant of",
            reference=str(where),
            advice=f"it has: {described(entries)}",
        )
    raise InvalidReferenceError(
        f"{where} has {len(fitting)} variants" + (f" that are {' '.join(wanted)}" if wanted else ""),
        advice=f"say which: {described([*fitting.values()])}",
    )


def described(entries: Sequence[Descriptor]) -> str:
    """Return entries of an index in words: platform and annotations, else the digest."""
    shown = "; ".join(_words(entry) for entry in entries[:_MOST_SHOWN])
    return shown + (f"; and {len(entries) - _MOST_SHOWN} more" if len(entries) > _MOST_SHOWN else "") or "nothing"


def _entries(repository: ManifestReader, index: Index, depth: int) -> list[Descriptor]:
    found: list[Descriptor] = []
    for entry in index.manifests:
        if "index" not in entry.media_type and "manifest.list" not in entry.media_type:
            found.append(entry)
            continue
        if not depth:
            raise ModelKitError(f"{repository.reference}: indexes inside of indexes, more than {_MOST_DEPTH} deep")
        inner = repository.fetch_manifest(entry.digest)
        if isinstance(inner, Index):
            found += _entries(repository, inner, depth - 1)
    return found


def platform_of(entry: Descriptor) -> str:
    """Return ``os/architecture[/variant]`` in small letters; empty where an entry has none."""
    said = entry.extra.get("platform")
    if not isinstance(said, Mapping):
        return ""
    parts = [said.get(name) for name in ("os", "architecture", "variant")]
    return "/".join(part.lower() for part in parts if isinstance(part, str) and part)


def _words(entry: Descriptor) -> str:
    said = [platform_of(entry), *(f"{key}={value}" for key, value in sorted(entry.annotations.items()))]
    return " ".join(filter(None, said)) or str(entry.digest)


def without_tag(where: Reference, chosen: Descriptor) -> Reference:
    """Return the reference of a variant: its digest alone, because the tag is that of all of them."""
    return Reference(where.registry, where.repository, None, chosen.digest)
