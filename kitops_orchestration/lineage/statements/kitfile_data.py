"""What a Kitfile says about origins: its data sets, and the ModelKit that its model is based on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from kitops_orchestration.lineage.statements.dependencies import Dependency, base_model
from kitops_orchestration.modelkit.base_model import base_of
from kitops_orchestration.modelkit.kitfile import rules as kitfile_rules

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.kitfile import Kitfile
    from kitops_orchestration.oci.descriptor import Descriptor
    from kitops_orchestration.oci.manifest import Manifest

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class Layer(Protocol):
    """A layer of a ModelKit, packed or inspected."""

    @property
    def kind(self) -> str:
        """``dataset`` for data."""
        ...

    @property
    def path(self) -> str:
        """As the Kitfile has it."""
        ...

    @property
    def name(self) -> str:
        """As the Kitfile has it; may be empty."""
        ...

    @property
    def descriptor(self) -> Descriptor:
        """The stored layer."""
        ...


def datasets_of(kitfile: Kitfile, layers: Sequence[Layer]) -> list[Dependency]:
    """Return the data sets: those that are layers, by the layer's digest, and those that stay where they are."""
    licences = {item.path: item.license for item in kitfile.datasets if item.path}
    packed = []
    for layer in layers:
        if layer.kind == "dataset":
            facts = {"path": layer.path, "packed": True, "licence": licences.get(layer.path)}
            digest = {layer.descriptor.digest.algorithm: layer.descriptor.digest.hex}
            packed.append(Dependency("dataset", layer.name or layer.path, digest=digest, annotations=_known(facts)))
    remote = [
        Dependency(
            "dataset",
            item.name or item.remote_path,
            item.remote_path,
            _digest(item.remote_hash),
            _known({"remote_hash": item.remote_hash, "licence": item.license}),
        )
        for item in kitfile.datasets
        if item.remote_path
    ]
    return packed + remote


def base_model_of(kitfile: Kitfile, manifest: Manifest) -> Dependency | None:
    """Return the ModelKit that the model's path refers to, pinned as the manifest has it; ``None`` for a file."""
    base, model = base_of(kitfile, manifest), kitfile.model
    reference = None if base is None else kitfile_rules.parent_reference(base.path)
    if base is None or model is None or reference is None:
        return None
    pinned = reference if base.digest is None else reference.with_digest(base.digest)
    return base_model(pinned, name=model.name or None)


def _digest(text: str) -> dict[str, str]:
    found = _SHA256.fullmatch(text)
    return {"sha256": found[1]} if found else {}


def _known(facts: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in facts.items() if value not in (None, "")}
