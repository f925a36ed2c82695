"""Diff: what is different between two ModelKits, by Kitfile, layers and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kitops_orchestration.modelkit import notebook, schema
from kitops_orchestration.modelkit.inspect import ModelKit, ModelKitLayer
from kitops_orchestration.modelkit.markdown import table
from kitops_orchestration.modelkit.value_text import size_text, value_text

Change = Literal["added", "removed", "changed"]
_ABSENT = object()
_METRICS = ("parameters", "mlflow", "metrics")
_PARAMS = ("parameters", "mlflow", "params")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of the Kitfile, or one metric or parameter: ``None`` is absent."""

    field: str
    change: Change
    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class LayerChange:
    """One layer: matched by kind and path, changed when its digest is."""

    kind: str
    path: str
    change: Change | Literal["same"]
    left_digest: str | None
    right_digest: str | None
    left_size_bytes: int | None
    right_size_bytes: int | None


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file: changed when its size or digest is."""

    path: str
    change: Change
    left_size_bytes: int | None
    right_size_bytes: int | None


@dataclass(frozen=True, slots=True)
class ModelKitDiff:
    """Two ModelKits side by side; ``left`` and ``right`` are references."""

    left: str
    right: str
    fields: tuple[FieldChange, ...]
    """Changed Kitfile fields; digests are under ``layers``, metrics and parameters under their own."""
    layers: tuple[LayerChange, ...]
    """Every layer of either, shared ones as ``same``."""
    metrics: tuple[FieldChange, ...]
    parameters: tuple[FieldChange, ...]
    files: tuple[FileChange, ...] | None
    """``None`` where the files of one side are not known without fetching layers."""

    @property
    def is_same(self) -> bool:
        """True when nothing differs that a reader of the ModelKit would see."""
        changed = [layer for layer in self.layers if layer.change != "same"]
        return not (changed or self.fields or self.metrics or self.parameters)

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts and lists."""
        return {
            "left": self.left,
            "right": self.right,
            "same": self.is_same,
            "kitfile": [_field_json(change) for change in self.fields],
            "metrics": [_field_json(change) for change in self.metrics],
            "parameters": [_field_json(change) for change in self.parameters],
            "layers": [
                {
                    "kind": layer.kind,
                    "path": layer.path,
                    "change": layer.change,
                    "left": layer.left_digest,
                    "right": layer.right_digest,
                    "leftSizeBytes": layer.left_size_bytes,
                    "rightSizeBytes": layer.right_size_bytes,
                }
                for layer in self.layers
            ],
            "files": None
            if self.files is None
            else [
                {
                    "path": file.path,
                    "change": file.change,
                    "leftSizeBytes": file.left_size_bytes,
                    "rightSizeBytes": file.right_size_bytes,
                }
                for file in self.files
            ],
        }

    def to_markdown(self) -> str:
        """Return tables for people: a pull request comment, an orchestrator's metadata."""
        lines = [f"**{self.left}** → **{self.right}**", ""]
        if self.is_same:
            return "\n".join([*lines, "No difference.", ""])
        for title, changes in (("Kitfile", self.fields), ("Metrics", self.metrics), ("Parameters", self.parameters)):
            if changes:
                rows = [(change.field, value_text(change.left), value_text(change.right)) for change in changes]
                lines += [table((title, "left", "right"), rows), ""]
        layers = [
            (
                f"{layer.kind} {layer.path}",
                layer.change,
                size_text(layer.left_size_bytes),
                size_text(layer.right_size_bytes),
            )
            for layer in self.layers
        ]
        lines += [table(("Layer", "change", "left", "right"), layers), ""]
        if self.files:
            files = [
                (file.path, file.change, size_text(file.left_size_bytes), size_text(file.right_size_bytes))
                for file in self.files
            ]
            lines += [table(("File", "change", "left", "right"), files), ""]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return _notebook_view(self)


def diff(
    left: ModelKit,
    right: ModelKit,
    *,
    left_files: Mapping[str, FileState] | None = None,
    right_files: Mapping[str, FileState] | None = None,
) -> ModelKitDiff:
    """Compare two inspected ModelKits; no layer is fetched.

    ``left_files`` and ``right_files`` come from :func:`~kitops_orchestration.modelkit.file_list.known_files`;
    with both, files are compared too.
    """
    old, new = _plain(left), _plain(right)
    files = None
    if left_files is not None and right_files is not None:
        files = tuple(_file_changes(left_files, right_files))
    old_metrics, new_metrics = _take(old, _METRICS), _take(new, _METRICS)
    old_params, new_params = _take(old, _PARAMS), _take(new, _PARAMS)
    return ModelKitDiff(
        str(left.reference),
        str(right.reference),
        tuple(_field_changes(old, new, "")),
        tuple(_layer_changes(left.layers, right.layers)),
        tuple(_field_changes(old_metrics, new_metrics, "")),
        tuple(_field_changes(old_params, new_params, "")),
        files,
    )


@dataclass(frozen=True, slots=True)
class FileState:
    """Size and content of one file, as far as known."""

    size_bytes: int
    digest: str = ""


def _plain(kit: ModelKit) -> dict[str, Any]:
    """Return the Kitfile as its text has it: digests are compared as layers."""
    return schema.to_plain(kit.kitfile, for_json=False)


def _take(value: dict[str, Any], path: Sequence[str]) -> Any:
    """Take a nested member of the model section out of ``value`` and return it."""
    parent: Any = value.get("model")
    for key in path[:-1]:
        parent = parent.get(key) if isinstance(parent, dict) else None
    return parent.pop(path[-1], {}) if isinstance(parent, dict) else {}


def _field_changes(old: Any, new: Any, field: str) -> Iterator[FieldChange]:
    old, new = _opened(old, new), _opened(new, old)
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _field_changes(old.get(key, _ABSENT), new.get(key, _ABSENT), f"{field}.{key}" if field else key)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (items[index] if index < len(items) else _ABSENT for items in (old, new))
            yield from _field_changes(before, after, f"{field}[{index}]")
    elif old is _ABSENT or new is _ABSENT:
        change: Change = "added" if old is _ABSENT else "removed"
        yield FieldChange(field, change, _known(old), _known(new))
    elif old != new or type(old) is not type(new):
        yield FieldChange(field, "changed", old, new)


def _opened(value: Any, other: Any) -> Any:
    """Let a missing section be an empty one, so that its fields are listed one by one."""
    return type(other)() if value is _ABSENT and other and isinstance(other, (dict, list)) else value


def _known(value: Any) -> Any:
    return None if value is _ABSENT else value


def _layer_changes(left: Sequence[ModelKitLayer], right: Sequence[ModelKitLayer]) -> Iterator[LayerChange]:
    remaining = {(layer.kind, layer.clean_path): layer for layer in right}
    for old in left:
        new = remaining.pop((old.kind, old.clean_path), None)
        if new is None:
            yield _layer_change("removed", old, None)
        else:
            yield _layer_change("same" if old.digest == new.digest else "changed", old, new)
    for new in remaining.values():
        yield _layer_change("added", None, new)


def _layer_change(
    change: Change | Literal["same"], old: ModelKitLayer | None, new: ModelKitLayer | None
) -> LayerChange:
    shown = new or old
    return LayerChange(
        shown.kind if shown else "",
        shown.clean_path if shown else "",
        change,
        str(old.digest) if old else None,
        str(new.digest) if new else None,
        old.descriptor.size if old else None,
        new.descriptor.size if new else None,
    )


def _file_changes(left: Mapping[str, FileState], right: Mapping[str, FileState]) -> Iterator[FileChange]:
    for path in sorted({*left, *right}):
        old, new = left.get(path), right.get(path)
        if old == new:
            continue
        change: Change = "added" if old is None else "removed" if new is None else "changed"
        yield FileChange(path, change, old.size_bytes if old else None, new.size_bytes if new else None)


def _field_json(change: FieldChange) -> dict[str, Any]:
    return {"field": change.field, "change": change.change, "left": change.left, "right": change.right}


def _notebook_view(diff: ModelKitDiff) -> str:
    """Return what changed; layers that both sides share are counted, not listed."""
    changed = [layer for layer in diff.layers if layer.change != "same"]
    facts = [
        ("left", diff.left),
        ("right", diff.right),
        ("same layers", str(len(diff.layers) - len(changed))),
        ("difference", "none" if diff.is_same else ""),
    ]
    fields = [
        notebook.table(
            (title, "left", "right"), [(item.field, value_text(item.left), value_text(item.right)) for item in changes]
        )
        for title, changes in (("Kitfile", diff.fields), ("metric", diff.metrics), ("parameter", diff.parameters))
    ]
    parts = [
        notebook.table(
            (title, "path", "change", "left", "right"),
            [(kind, path, change, size_text(left), size_text(right)) for kind, path, change, left, right in rows],
        )
        for title, rows in (
            ("layer", [(i.kind, i.path, i.change, i.left_size_bytes, i.right_size_bytes) for i in changed]),
            ("file", [("", i.path, i.change, i.left_size_bytes, i.right_size_bytes) for i in diff.files or ()]),
        )
    ]
    return notebook.section("ModelKit diff", notebook.facts_table(facts), *fields, *parts)
