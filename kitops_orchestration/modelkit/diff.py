"""What is different between two ModelKits in themselves: Kitfile, layers, files.

What is known about them is compared above, in the lineage.
The one answer that people and programs get is :class:`~kitops_orchestration.lineage.answers.compare.ModelKitDiff`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kitops_orchestration.modelkit.inspect import ModelKit, ModelKitLayer
from kitops_orchestration.modelkit.kitfile import schema

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
class ContentDiff:
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
    def changed_layers(self) -> tuple[LayerChange, ...]:
        """The layers that only one of them has, or that differ."""
        return tuple(layer for layer in self.layers if layer.change != "same")

    @property
    def is_same(self) -> bool:
        """True when nothing differs that a reader of the ModelKit would see."""
        return not (self.changed_layers or self.fields or self.metrics or self.parameters)


def content_diff(
    left: ModelKit,
    right: ModelKit,
    *,
    left_files: Mapping[str, FileState] | None = None,
    right_files: Mapping[str, FileState] | None = None,
) -> ContentDiff:
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
    return ContentDiff(
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


def fields_of(kit: ModelKit) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields that :func:`content_diff` compares, by their names, and the parameters of the run.

    Two ModelKits differ in exactly the fields in which these differ.
    """
    value = _plain(kit)
    _take(value, _METRICS)
    parameters = _take(value, _PARAMS)
    fields, values = _field_changes({}, value, ""), _field_changes({}, parameters, "")
    return {item.field: item.right for item in fields}, {item.field: item.right for item in values}


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
