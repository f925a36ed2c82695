"""What is read of text and bytes that others wrote: one function each, from bytes to a value or an error of ours.

``tools/fuzz.py`` calls them with what it invents, ``test_corpus.py`` with the files that are kept below ``corpus/``.
A target raises ``KitOpsError`` where it refuses its input; any other error is a fault of ours.  Where the project
promises more of a value than that there is one, the target checks it: what is written is read again as the same.
"""

from __future__ import annotations

import importlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Target = Callable[[bytes], object]

_UNPACKED_BYTES = 4 * 1024 * 1024
_MOST_PLAIN_BYTES = 16 * 1024 * 1024


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kitops-fuzz-") as name:
        yield Path(name)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def kitfile(data: bytes) -> object:
    """A Kitfile from disk; what is written of it is read as the same."""
    from kitops_orchestration.modelkit.kitfile import Kitfile

    with _folder() as folder:
        (folder / "Kitfile").write_bytes(data)
        found = Kitfile.load(folder)
    assert Kitfile.parse(found.to_yaml()) == found, "the Kitfile that we write is another one"
    return found


def kitfile_config(data: bytes) -> object:
    """The config blob of a ModelKit; what is written of it is read as the same."""
    from kitops_orchestration.modelkit.kitfile import Kitfile

    found = Kitfile.from_config(data)
    assert Kitfile.from_config(found.to_config()) == found, "the config that we write is another one"
    return found


def manifest(data: bytes) -> object:
    """A manifest or an index of a registry."""
    from kitops_orchestration.oci.manifest import parse

    found = parse(data)
    assert found.descriptor.size == len(data)
    return found


def layout_index(data: bytes) -> object:
    """``index.json`` of a folder: its tags, what refers to what, and a tag more."""
    from kitops_orchestration.oci.layout import LayoutRepository
    from kitops_orchestration.oci.manifest import Index
    from kitops_orchestration.oci.reference import Reference, folder_registry
    from kitops_orchestration.oci.resolve import tags_if_there

    with _folder() as folder:
        layout = LayoutRepository(Reference(folder_registry(folder), "iris"))
        (layout.directory / "blobs" / "sha256").mkdir(parents=True)
        (layout.directory / "index.json").write_bytes(data)
        tags = tags_if_there(layout)
        pushed = layout.push_manifest(Index.build(()), tag="of-the-target")
        assert layout.resolve("of-the-target").digest == pushed.digest
        return tags


def tar(data: bytes) -> object:
    """A layer, as it is or compressed, into a folder; nothing of it is outside."""
    from kitops_orchestration.modelkit.layers.compression import decompressed
    from kitops_orchestration.modelkit.layers.plain import PlainContent
    from kitops_orchestration.modelkit.layers.tar_reader import read_tar
    from kitops_orchestration.modelkit.unpacking.workspace import Budget, LayerSink, Workspace

    compression = "gzip" if data[:2] == b"\x1f\x8b" else "zstd" if data[:4] == b"\x28\xb5\x2f\xfd" else "none"
    with _folder() as folder:
        workspace = Workspace(folder, "kit", folds_case=False)
        try:
            plain = PlainContent(
                decompressed(io.BytesIO(data), compression), Budget(_UNPACKED_BYTES).spend, is_hashed=False
            )
            read_tar(plain, LayerSink(workspace, "model"))  # type: ignore[arg-type] # a RawIOBase, as in fetch.py
            workspace.finish()
            return workspace.files
        finally:
            outside = [path for path in folder.rglob("*") if not path.is_relative_to(workspace.root)]
            hidden = workspace.root.parent
            assert [path for path in outside if path != hidden and path.parent != hidden] == []
            workspace.discard()


def bundle(data: bytes) -> object:
    """A Sigstore bundle, or a bare envelope: its statement, read by whatever class knows its predicate type."""
    from kitops_orchestration.errors import SignatureError
    from kitops_orchestration.signing.attestation_tag import parse_envelope
    from kitops_orchestration.signing.bundle import Bundle

    try:
        found = Bundle.parse(data)
    except SignatureError:
        found = parse_envelope(data)[0]
    return _predicate(found.statement())


def statement(data: bytes) -> object:
    """An in-toto statement, read by whatever class knows its predicate type."""
    from kitops_orchestration.signing.statement import Statement

    return _predicate(Statement.parse(data))


def _predicate(found: Any) -> object:
    from kitops_orchestration.signing import predicate_types

    readers = {row.uri: row.reader for row in predicate_types.REGISTRY}
    reader = readers.get(found.predicate_type)
    if reader is None:
        return found
    module, _, name = reader.partition(":")
    kind = getattr(importlib.import_module(f"kitops_orchestration.{module}"), name)
    return kind.from_json(found.predicate)


def reference(data: bytes) -> object:
    """A reference; what is shown of it is read as the same."""
    from kitops_orchestration.oci.reference import Reference

    found = Reference.parse(_text(data))
    assert Reference.parse(str(found)) == found, "the reference that we show is another one"
    return found


def policy(data: bytes) -> object:
    """A promotion policy, and the digest of each stage."""
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy

    found = PromotionPolicy.parse(data)
    return [found.stage_digest(name) for name in found.stages]


def trust(data: bytes) -> object:
    """A trust policy, its digest, and its text with all keys in it."""
    from kitops_orchestration.signing.trust import TrustPolicy
    from kitops_orchestration.signing.trust_file import self_contained

    with _folder() as folder:
        path = folder / "trust.yaml"
        path.write_bytes(data)
        found = TrustPolicy.load(path)
        path.write_bytes(self_contained(path))
        assert TrustPolicy.load(path).digest == found.digest, "with its keys in it, it is another policy"
        return found.digest


def kitignore(data: bytes) -> object:
    """Patterns, and after the last line break a path that they are asked about."""
    from kitops_orchestration.modelkit.packing.ignore import FILE_NAME, IgnoreRules

    patterns, _, path = data.rpartition(b"\n")
    asked = _text(path)[:4096]
    with _folder() as folder:
        (folder / FILE_NAME).write_bytes(patterns)
        rules = IgnoreRules.load(folder)
        found = rules.ignores(asked)
        assert found == rules.ignores(asked)
        rules.explain(asked)
        return found


def mlmodel(data: bytes) -> object:
    """``MLmodel`` of a model's folder: facts that fit into JSON, and are not larger than a bound."""
    from kitops_orchestration.mlflow_bridge.runs.mlmodel import read_mlmodel

    with _folder() as folder:
        (folder / "MLmodel").write_bytes(data)
        found = read_mlmodel(folder)
    size = len(json.dumps(found, allow_nan=False))
    assert size <= _MOST_PLAIN_BYTES, f"{len(data)} bytes became {size}"
    return found


def model_card(data: bytes) -> object:
    """``README.md`` of a folder from Hugging Face: the Kitfile that is made of the folder is one."""
    from kitops_orchestration.modelkit.generate.generate import generate
    from kitops_orchestration.modelkit.kitfile import Kitfile

    with _folder() as folder:
        (folder / "README.md").write_bytes(data)
        (folder / "config.json").write_text('{"model_type": "bert"}')
        (folder / "model.safetensors").write_bytes(b"x")
        found = generate(folder, name="iris")
    assert Kitfile.parse(found.to_yaml()) == found, "the Kitfile that we write is another one"
    return found


TARGETS: dict[str, Target] = {
    target.__name__.replace("_", "-"): target
    for target in (
        kitfile,
        kitfile_config,
        manifest,
        layout_index,
        tar,
        bundle,
        statement,
        reference,
        policy,
        trust,
        kitignore,
        mlmodel,
        model_card,
    )
}
