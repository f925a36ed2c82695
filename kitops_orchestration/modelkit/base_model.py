"""The ModelKit that another one stands on, pinned: an adapter fits the one base that it was made for.

A Kitfile names its base in ``model.path``, often by a tag, which may move.  What the tag pointed at when it was packed
is in the manifest, under the keys that container images have for theirs.

Source: OCI image-spec v1.1, annotations.md, ``org.opencontainers.image.base.*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.kitfile.rules import parent_reference
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.media_types import ANNOTATION_BASE_DIGEST, ANNOTATION_BASE_NAME


@dataclass(frozen=True, slots=True)
class Base:
    """What a ModelKit stands on."""

    path: str
    """``model.path`` of the Kitfile."""
    digest: Digest | None
    """What that was when the ModelKit was packed; ``None`` where nobody wrote it down."""

    def __str__(self) -> str:
        is_named = self.digest is None or "@" in self.path
        return self.path if is_named else f"{self.path}@{self.digest}"

    def to_json(self) -> dict[str, Any]:
        """Return both."""
        return {"path": self.path, "digest": str(self.digest) if self.digest else None}


def base_of(kitfile: Kitfile, manifest: Manifest) -> Base | None:
    """Return what a ModelKit stands on; ``None`` where it has a model of its own, or none.

    A digest in the Kitfile counts before the manifest's.
    """
    model = kitfile.model
    reference = None if model is None else parent_reference(model.path)
    if model is None or reference is None:
        return None
    return Base(model.path, reference.digest or pinned_in(manifest.annotations))


def pinned_in(annotations: Mapping[str, str]) -> Digest | None:
    """Return the digest of the base that a manifest names; what is none is nothing."""
    try:
        return Digest(annotations.get(ANNOTATION_BASE_DIGEST, ""))
    except InvalidReferenceError:
        return None


def base_annotations(kitfile: Kitfile, digest: Digest) -> dict[str, str]:
    """Return what a manifest says of its base: the digest, and the name where it is the same everywhere."""
    reference = parent_reference(kitfile.model.path) if kitfile.model else None
    if reference is None:
        return {}
    is_relative = reference.is_folder or reference.registry == "localhost"
    name = {} if is_relative or not (reference.tag or reference.digest) else {ANNOTATION_BASE_NAME: str(reference)}
    return {**name, ANNOTATION_BASE_DIGEST: digest}
