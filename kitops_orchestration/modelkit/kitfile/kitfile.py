"""Kitfile: the YAML that describes a ModelKit, and the JSON config blob that is made of it.

Source: the Kit CLI's Kitfile format, manifestVersion 1.0.0; its key order is the order of the fields here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

from kitops_orchestration.disk.write import write_whole
from kitops_orchestration.errors import KitfileError, ModelKitError
from kitops_orchestration.modelkit.kitfile import rules as kitfile_rules
from kitops_orchestration.modelkit.kitfile import schema
from kitops_orchestration.oci import canonical

KITFILE_NAMES = ("Kitfile", "kitfile", ".kitfile")
MANIFEST_VERSION = "1.0.0"


class LayerDigests(Protocol):
    """What the config records of a layer."""

    @property
    def digest(self) -> str:
        """Digest of the stored bytes."""
        ...

    @property
    def diff_id(self) -> str:
        """Digest of the bytes before compression."""
        ...


@dataclass(frozen=True, slots=True)
class Package:
    """What the ModelKit is called, and whose it is."""

    name: str = schema.text()
    version: str = schema.text()
    description: str = schema.text()
    license: str = schema.text()
    authors: tuple[str, ...] = schema.texts()


@dataclass(frozen=True, slots=True)
class ModelPart:
    """A further file or directory of the model: tokenizer, adapter, configuration."""

    name: str = schema.text()
    path: str = schema.text()
    license: str = schema.text()
    type: str = schema.text()
    digest: str = schema.text(json_only=True)
    diff_id: str = schema.text("diffId", json_only=True)


@dataclass(frozen=True, slots=True)
class Model:
    """The model: a path in the context, or a reference to a parent ModelKit."""

    name: str = schema.text()
    path: str = schema.text()
    license: str = schema.text()
    framework: str = schema.text()
    format: str = schema.text()
    version: str = schema.text()
    description: str = schema.text()
    parts: tuple[ModelPart, ...] = schema.many(ModelPart)
    parameters: Any = schema.anything()  # noqa: RUF009 - returns a field, no shared value
    digest: str = schema.text(json_only=True)
    diff_id: str = schema.text("diffId", json_only=True)


@dataclass(frozen=True, slots=True)
class Code:
    """A file or directory of code; no path means the whole context."""

    path: str = schema.text()
    description: str = schema.text()
    license: str = schema.text()
    digest: str = schema.text(json_only=True)
    diff_id: str = schema.text("diffId", json_only=True)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset in the context, or one that stays where ``remote_path`` says."""

    name: str = schema.text()
    path: str = schema.text()
    remote_path: str = schema.text("remotePath")
    remote_hash: str = schema.text("remoteHash")
    description: str = schema.text()
    license: str = schema.text()
    parameters: Any = schema.anything()  # noqa: RUF009 - returns a field, no shared value
    digest: str = schema.text(json_only=True)
    diff_id: str = schema.text("diffId", json_only=True)


@dataclass(frozen=True, slots=True)
class Doc:
    """A file or directory of documentation."""

    path: str = schema.text(always=True)
    description: str = schema.text()
    digest: str = schema.text(json_only=True)
    diff_id: str = schema.text("diffId", json_only=True)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, skill or agent instruction; stored as a code layer with a mark."""

    name: str = schema.text()
    path: str = schema.text()
    description: str = schema.text()
    digest: str = schema.text(json_only=True)
    diff_id: str = schema.text("diffId", json_only=True)


@dataclass(frozen=True, slots=True)
class McpServer:
    """An MCP server bundle (``.mcpb``)."""

    name: str = schema.text()
    path: str = schema.text()
    description: str = schema.text()
    digest: str = schema.text(json_only=True)
    diff_id: str = schema.text("diffId", json_only=True)


Entry = Model | ModelPart | Code | Dataset | Doc | Prompt | McpServer


@dataclass(frozen=True, slots=True)
class Kitfile:
    """A whole Kitfile. Digests are compared by nobody: two Kitfiles with the same text are equal."""

    manifest_version: str = schema.text("manifestVersion", always=True)
    package: Package = schema.one(Package, always=True)  # noqa: RUF009 - returns a field, no shared value
    model: Model | None = schema.one(Model)  # noqa: RUF009 - returns a field, no shared value
    code: tuple[Code, ...] = schema.many(Code)
    datasets: tuple[Dataset, ...] = schema.many(Dataset)
    docs: tuple[Doc, ...] = schema.many(Doc)
    prompts: tuple[Prompt, ...] = schema.many(Prompt)
    mcp_servers: tuple[McpServer, ...] = schema.many(McpServer, "mcpServers")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a Kitfile from disk: the file, or the one in the directory ``path``.

        Raises:
            KitfileError: no such file, or as :meth:`parse`.
        """
        if path.is_dir():
            path = find(path)
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise KitfileError(
                f"cannot read the Kitfile {path}: {error.strerror}",
                path=str(path),
                advice="give a Kitfile, or a directory that has one",
            ) from error
        except UnicodeDecodeError as error:
            raise KitfileError(f"{path}: not UTF-8 text", path=str(path), advice="save it as UTF-8") from error
        return cls.parse(text, path=str(path))

    @classmethod
    def parse(cls, text: str, *, path: str | Path | None = None) -> Self:
        """Read a Kitfile from text; strict about keys and types.

        Raises:
            KitfileError: not YAML, an unknown or duplicate key, a wrong type, or a rule broken; with file,
                line and field.
        """
        from kitops_orchestration.modelkit.kitfile.yaml_reader import Place, ValueReader, compose
        from kitops_orchestration.modelkit.kitfile.yaml_sections import read_section

        place = Place(str(path) if path is not None else None)
        kitfile = read_section(cls, compose(text, place), place, ValueReader())
        kitfile_rules.check(kitfile, path=place.path)
        return kitfile

    @classmethod
    def from_config(cls, data: bytes) -> Self:
        """Read the config blob of a ModelKit, of every era; digests come along.

        Raises:
            ModelKitError: not the JSON of a Kitfile.
        """
        try:
            value = canonical.decode(data, parse_int=_parse_int)
        except (ValueError, RecursionError) as error:
            raise ModelKitError(f"the ModelKit's config is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise ModelKitError("the ModelKit's config is not a JSON object")
        return schema.read_json(cls, value, "")

    def to_config(self, layers: Sequence[LayerDigests] | None = None) -> bytes:
        """Return the config blob; ``layers`` in manifest order fill in digests.

        Without ``layers`` the digests that are there are written.

        Raises:
            ModelKitError: another number of layers than the Kitfile describes.
        """
        kitfile = self if layers is None else self.with_digests(layers)
        return canonical.encode(schema.to_plain(kitfile, for_json=True))

    def with_digests(self, layers: Sequence[LayerDigests]) -> Self:
        """Return this Kitfile with the layers' digests in its entries, matched by order."""
        remaining = iter(layers)
        expected = sum(1 for _ in self.entries())
        if expected != len(layers):
            raise ModelKitError(f"the Kitfile describes {expected} layers, got {len(layers)}")

        def filled(entry: Any) -> Any:
            if not has_layer(entry):
                return replace(entry, digest="", diff_id="")
            layer = next(remaining)
            return replace(entry, digest=str(layer.digest), diff_id=str(layer.diff_id))

        model = filled(self.model) if self.model is not None else None
        if model is not None:
            model = replace(model, parts=tuple(map(filled, model.parts)))
        return replace(
            self,
            model=model,
            code=tuple(map(filled, self.code)),
            datasets=tuple(map(filled, self.datasets)),
            docs=tuple(map(filled, self.docs)),
            prompts=tuple(map(filled, self.prompts)),
            mcp_servers=tuple(map(filled, self.mcp_servers)),
        )

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield kind and entry of everything that has a layer, in the order of a manifest's layers."""
        if self.model is not None:
            if has_layer(self.model):
                yield "model", self.model
            yield from (("modelpart", part) for part in self.model.parts)
        yield from (("code", entry) for entry in self.code)
        yield from (("dataset", entry) for entry in self.datasets if has_layer(entry))
        yield from (("docs", entry) for entry in self.docs)
        yield from (("prompt", entry) for entry in self.prompts)
        yield from (("mcpb", entry) for entry in self.mcp_servers)

    def to_yaml(self) -> str:
        """Return the YAML that the Kit CLI writes for this Kitfile."""
        from kitops_orchestration.modelkit.kitfile.yaml_writer import dump

        return dump(schema.to_plain(self, for_json=False))

    def save(self, path: Path) -> None:
        """Write the YAML to ``path``, whole or not at all."""
        text = self.to_yaml().encode("utf-8", "surrogateescape")
        write_whole(path, text, error=functools.partial(KitfileError, path=str(path)))


def _parse_int(text: str) -> int | float:
    return -0.0 if text == "-0" else int(text)  # Go writes a float without its ".0", and minus zero is one


def has_layer(entry: Entry) -> bool:
    """Tell whether an entry has a layer of its own: not a parent ModelKit, not remote data."""
    if isinstance(entry, Model):
        return bool(entry.path) and kitfile_rules.parent_reference(entry.path) is None
    return not (isinstance(entry, Dataset) and entry.remote_path)


def find(context_dir: Path) -> Path:
    """Return the Kitfile of a directory; raises :class:`KitfileError` when it has none."""
    for name in KITFILE_NAMES:
        if (context_dir / name).is_file():
            return context_dir / name
    raise KitfileError(
        f"no Kitfile in {context_dir}",
        path=str(context_dir),
        advice="write one, or let 'generate' make one from the directory",
    )
