"""Find the files of every layer with one walk of the context, and say what is not among them."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.packing.ignore import IgnoreRules
from kitops_orchestration.modelkit.packing.plan import PlannedLayer, check_mcp_bundle
from kitops_orchestration.modelkit.packing.selection import Selector, select_like_kit
from kitops_orchestration.modelkit.packing.stream import LayerSource, RawSource, TarSource
from kitops_orchestration.modelkit.packing.walk import Entry, walk
from kitops_orchestration.oci.reference import Reference

_MAX_WARNINGS = 100
_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Collector:
    """What stays the same for all layers of one pack."""

    context_dir: Path
    grafts: Mapping[str, Path]
    exclude: Sequence[str]
    is_strict: bool
    """Choose files as the Kit CLI does, where that loses some."""
    cancel: threading.Event

    def collect(self, plan: Sequence[PlannedLayer], others: Collection[str]) -> tuple[list[LayerSource], list[str]]:
        """Return one source per planned layer, and warnings.

        Raises:
            ModelKitError: a layer's path does not exist, leaves the context, or has the wrong form.
        """
        rules = IgnoreRules.load(self.context_dir, more=self.exclude)
        paths = frozenset(layer.clean_path for layer in plan)
        walked = walk(self.context_dir, rules, grafts=self.grafts, follow=paths, keep_links=not self.is_strict)
        lost = [f"{path}: {reason}, left out" for path, reason in walked.left_out if _is_packed(path, paths)]
        lost += _case_twins(entry.path for entry in walked.entries if _is_packed(entry.path, paths))
        selector = Selector(walked.entries)
        sources: list[LayerSource] = []
        for layer in plan:
            entries = selector.select(layer.clean_path, others)
            if self.is_strict:
                kept = select_like_kit(walked.entries, layer.clean_path, others)
                lost += _lost(entries, kept)
                entries = kept
            self._refuse_empty(layer, entries, rules, walked.left_out)
            sources.append(self._source(layer, entries))
        if len(lost) > _MAX_WARNINGS:
            lost = [*lost[:_MAX_WARNINGS], f"and {len(lost) - _MAX_WARNINGS} more like these"]
        return sources, lost

    def _source(self, layer: PlannedLayer, entries: list[Entry]) -> LayerSource:
        if layer.format == "tar":
            return TarSource(entries, self.cancel)
        file = next((entry for entry in entries if entry.path == layer.clean_path), None)
        if file is None or file.is_dir:
            raise ModelKitError(
                f"a raw layer is a single file, and {layer.path or '.'!r} is not one",
                advice="name the file itself, or pack with layer_format='tar'",
            )
        if layer.kind == "mcpb":
            check_mcp_bundle(file.source, layer.path)
        return RawSource(file, self.cancel)

    def _refuse_empty(
        self, layer: PlannedLayer, entries: list[Entry], rules: IgnoreRules, left_out: Sequence[tuple[str, str]]
    ) -> None:
        """Raise where all that a layer asks for is left out: an empty layer would look like success."""
        path = layer.clean_path
        if any(not entry.is_dir for entry in entries):
            return
        lost = [f"{name}: {reason}" for name, reason in left_out if _is_packed(name, [path])]
        if lost:
            more = f" and {len(lost) - _MAX_SHOWN} more" if len(lost) > _MAX_SHOWN else ""
            raise ModelKitError(
                f"all of the {layer.kind} path {layer.path or '.'!r} would be left out: "
                f"{'; '.join(lost[:_MAX_SHOWN])}{more}",
                advice="a link may not leave the context: graft the directory in, or copy it",
            )
        if path == ".":
            return
        below = list(_files_below(self.context_dir, path))
        if below and all(rules.ignores(name) for name in below):
            raise ModelKitError(
                f"all of the {layer.kind} path {layer.path!r} would be left out, by {rules.explain(below[0])}",
                advice="correct the pattern, or take the entry out of the Kitfile",
            )
        if any(_is_at_or_below(entry.path, path) for entry in entries):
            return  # an empty directory
        if not os.path.lexists(self.context_dir / path):
            raise ModelKitError(
                f"the {layer.kind} path {layer.path!r} does not exist in {self.context_dir}",
                advice="correct the path in the Kitfile, or add the file",
            )
        raise ModelKitError(
            f"the {layer.kind} path {layer.path!r} is no file or directory inside {self.context_dir}",
            advice="a link may not leave the context: graft the directory in, or copy it",
        )


def _files_below(context_dir: Path, path: str) -> Iterator[str]:
    if (context_dir / path).is_file():
        yield path
    for folder, _, names in os.walk(context_dir / path):
        for name in names:
            yield (Path(folder) / name).relative_to(context_dir).as_posix()


def registry_inside(context_dir: Path, repository: Reference) -> tuple[str, ...]:
    """Return, as ignore patterns, the folder repositories that lie in the context beside ``repository``, it included.

    They change while they are packed into, and would hold themselves.
    """
    if not repository.is_folder:
        return ()
    context = Path(os.path.realpath(context_dir))
    own = Path(os.path.realpath(repository.layout_dir))
    folders = {own, *(path.parent for path in own.parent.glob("*/oci-layout"))}
    if not own.parent.is_dir() or set(own.parent.iterdir()) <= folders:
        folders.add(own.parent)  # a registry and nothing else
    inside = sorted(folder.relative_to(context).as_posix() for folder in folders if context in folder.parents)
    return tuple(re.sub(r"([*?\[\\])", r"\\\1", path) for path in inside)


def _is_at_or_below(path: str, above: str) -> bool:
    return path == above or path.startswith(above + "/")


def _is_packed(path: str, layer_paths: Collection[str]) -> bool:
    return any(above == "." or _is_at_or_below(path, above) for above in layer_paths)


def _lost(entries: Sequence[Entry], kept: Sequence[Entry]) -> list[str]:
    present = {entry.path for entry in kept}
    return [
        f"{entry.path}: dropped, as the Kit CLI would"
        for entry in entries
        if not entry.is_dir and entry.path not in present
    ]


def _case_twins(paths: Iterable[str]) -> list[str]:
    seen: dict[str, str] = {}
    twins = []
    for path in paths:
        first = seen.setdefault(path.casefold(), path)
        if first != path:
            twins.append(f"{path}: differs from {first} only in case, which some file systems cannot hold")
    return twins
