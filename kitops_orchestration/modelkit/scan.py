"""Scan: the gate's rules over the bytes of a ModelKit that is in a repository.

A report of the packing folder says what somebody saw; this one says what the layers hold, and so it can be attached as
evidence: the statement names the manifest whose layers were read.
"""

from __future__ import annotations

import threading
from typing import Any, BinaryIO, cast

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.modelkit.file_ends import FileEnds
from kitops_orchestration.modelkit.inspect import ModelKit
from kitops_orchestration.modelkit.layer_content import read_layer
from kitops_orchestration.modelkit.layers.raw import RawFile
from kitops_orchestration.modelkit.layers.tar_reader import PieceReader
from kitops_orchestration.modelkit.packing.gate.check import Look, documents_of
from kitops_orchestration.modelkit.packing.gate.findings import GateReport
from kitops_orchestration.modelkit.packing.gate.rules import GateRules
from kitops_orchestration.oci.repository import Repository

_BUFFER_BYTES = 1024 * 1024


def scan(
    repository: Repository, kit: ModelKit, rules: GateRules = GateRules(), *, cancel: threading.Event | None = None
) -> GateReport:
    """Read every layer of a ModelKit once and look at its files; nothing is written, and 16 MiB of a file are kept.

    Allow lists are never packed, so a report of a ModelKit shows everything; ``rules`` may allow some of it.

    Raises:
        ModelKitError: a damaged layer.
        IntegrityError: bytes are not those of a layer's digest.
    """
    look = Look(rules)
    for name, document in documents_of(kit.kitfile, kit.manifest.annotations).items():
        look.at_document(name, document)
    models: dict[str, int] = {layer.clean_path: 0 for layer in kit.layers if layer.kind == "model"}

    def take(path: str, size: int, ends: FileEnds) -> None:
        check_cancelled(cancel, "the scan")
        look.at_name(path)
        look.at_file(path, size, cast(BinaryIO, ends))
        for model in models:
            if model == "." or path == model or path.startswith(model + "/"):
                models[model] += size

    def take_raw(file: RawFile, content: BinaryIO) -> None:
        ends = FileEnds()
        while piece := content.read(_BUFFER_BYTES):
            ends.add(piece)
        if not file.is_directory:
            take(file.path, ends.size, ends)

    for layer in kit.layers:
        read_layer(repository, layer, _Members(layer.prefix, take, look.at_name), take_raw)
    for model, size in models.items():
        look.at_model(model, size)
    return look.report({})


class _Members:
    """The sink of a layer's tar."""

    def __init__(self, prefix: str, take: Any, named: Any) -> None:
        self._prefix = prefix
        self._take = take
        self._named = named

    def directory(self, path: str, mode: int) -> None:  # noqa: ARG002 - the sink's protocol
        """Look at the name of a directory; it holds nothing itself."""
        self._named(f"{self._prefix}/{path}" if self._prefix else path)

    def file(self, path: str, mode: int, size: int, pieces: PieceReader) -> None:  # noqa: ARG002 - the sink's protocol
        """Keep the ends of a file as it passes, then look at it."""
        ends = FileEnds()
        pieces(ends.add)
        self._take(f"{self._prefix}/{path}" if self._prefix else path, size, ends)
