"""What changed between two versions: Kitfile, layers, files, data, code, metrics; without pulling a layer.

Which files changed inside a layer is known where both versions carry a directory signature or a list of their
files; in a folder they can be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.lineage.answers.elsewhere import Elsewhere, PromotionWalk
from kitops_orchestration.lineage.answers.questions import Lineage, gather, read_everywhere
from kitops_orchestration.lineage.statements.dependencies import Dependency, same_data
from kitops_orchestration.lineage.statements.kitfile_data import datasets_of
from kitops_orchestration.modelkit.diff import ContentDiff, FieldChange
from kitops_orchestration.modelkit.file_list import diff_kits
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Cell, Code, Page, Paragraph, Section, Table
from kitops_orchestration.presentation.value_text import size_text, value_text
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.directory import FileChanges
from kitops_orchestration.signing.signed_files import SignedFiles, choose_files

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Version:
    """One side of a comparison: the ModelKit and its evidence."""

    kit: ModelKit
    lineage: Lineage
    files: SignedFiles | None

    @property
    def origins(self) -> tuple[Dependency, ...]:
        """Code, data and base models: the provenance's, and the Kitfile's data where that adds to it."""
        known = (*self.lineage.source, *self.lineage.data, *self.lineage.base_models)
        kitfile = datasets_of(self.kit.kitfile, self.kit.layers)
        return (*known, *(item for item in kitfile if not any(same_data(item, other) for other in known)))


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric on both sides; ``None`` where a side does not state it."""

    name: str
    left: Any
    right: Any

    @property
    def difference(self) -> float | None:
        """Right minus left, where both are numbers."""
        try:
            return float(self.right) - float(self.left)
        except (TypeError, ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class ModelKitDiff(Answer):
    """The answer to *what changed?*"""

    left: Version
    right: Version
    kit: ContentDiff
    """Kitfile fields, layers, metrics and parameters in the Kitfile."""
    metrics: tuple[MetricChange, ...]
    """From the provenance, else from the Kitfile; those that differ."""
    added: tuple[Dependency, ...]
    """Data, code and base models that only the right side was made from."""
    removed: tuple[Dependency, ...]
    files: FileChanges | None
    """From directory signatures, else from the lists and layers at hand; ``None`` where a side has neither."""

    @property
    def is_same(self) -> bool:
        """True when nothing differs that a reader of either would see."""
        return self.kit.is_same and not (self.metrics or self.added or self.removed)

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``; ``reference`` and ``digest`` are the right side's."""
        return {
            "reference": str(self.right.kit.reference),
            "digest": str(self.right.kit.digest),
            "left": self.kit.left,
            "right": self.kit.right,
            "same": self.is_same,
            "kitfile": [_field_json(change) for change in self.kit.fields],
            "metrics": [
                {"name": item.name, "left": item.left, "right": item.right, "difference": item.difference}
                for item in self.metrics
            ],
            "parameters": [_field_json(change) for change in self.kit.parameters],
            "madeFrom": {
                "added": [item.to_json() for item in self.added],
                "removed": [item.to_json() for item in self.removed],
            },
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
                for layer in self.kit.layers
            ],
            "files": None if self.files is None else self.files.to_json(),
            "fileSizes": None
            if self.kit.files is None
            else [
                {
                    "path": file.path,
                    "change": file.change,
                    "leftSizeBytes": file.left_size_bytes,
                    "rightSizeBytes": file.right_size_bytes,
                }
                for file in self.kit.files
            ],
        }

    def page(self) -> Page:
        """Return what changed; layers that both sides share are counted, not listed."""
        return Page.of(
            f"{self.kit.left} → {self.kit.right}",
            Paragraph.of("No difference." if self.is_same else None),
            *self.sections(),
        )

    def sections(self, sides: tuple[str, str] = ("left", "right")) -> tuple[Section, ...]:
        """Return what changed, for a page; ``sides`` is what people call the two."""
        metrics = [(item.name, *_shown(item), _signed(item.difference)) for item in self.metrics]
        origins = [
            (change, item.role, item.shown, Code(item.identity))
            for change, items in (("added", self.added), ("removed", self.removed))
            for item in items
        ]
        layers = [
            (item.kind, item.path, item.change, size_text(item.left_size_bytes), size_text(item.right_size_bytes))
            for item in self.kit.changed_layers
        ]
        return (
            Section.of("Metrics", Table.of(("metric", *sides, "difference"), metrics)),
            Section.of("Made from", Table.of(("change", "role", "name", "identity"), origins)),
            Section.of("Parameters", Table.of(("parameter", *sides), _field_rows(self.kit.parameters))),
            Section.of("Kitfile", Table.of(("field", *sides), _field_rows(self.kit.fields))),
            Section.of("Layers", Table.of(("kind", "path", "change", *sides), layers), self._shared_layers()),
            Section.of("Files", self._files_table(sides)),
        )

    def _shared_layers(self) -> Paragraph:
        shared = len(self.kit.layers) - len(self.kit.changed_layers)
        words = "1 layer is" if shared == 1 else f"{shared} layers are"
        return Paragraph.of(f"{words} the same in both." if shared else None, is_note=True)

    def _files_table(self, sides: tuple[str, str]) -> Table:
        head = ("change", "file", *sides)
        if self.files is None:
            return Table.of(
                head, (), empty="Not known: both versions need a directory signature or a list of files for that."
            )
        sizes = {
            item.path: (size_text(item.left_size_bytes), size_text(item.right_size_bytes))
            for item in self.kit.files or ()
        }
        changes = (("added", self.files.added), ("removed", self.files.removed), ("changed", self.files.changed))
        rows = [(change, path, *sizes.get(path, ("", ""))) for change, paths in changes for path in paths]
        return Table.of(head, rows, empty="No file differs.")


class DiffOptions(TypedDict, total=False):
    """What :func:`diff` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    at: datetime | None
    reads_folders: bool
    limits: Limits


def diff(
    repository: Repository,
    left: str,
    right: str,
    *,
    right_repository: Repository | None = None,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    reads_folders: bool = True,
    limits: Limits = Limits(),
) -> ModelKitDiff:
    """Compare the ModelKits at ``left`` and ``right``; for each its manifest, config and evidence are read.

    With ``reads_folders`` also the layers that only one of them has, where they are in a folder, for their files.
    """
    right_repository = right_repository or repository
    one = read_version(repository, left, trust=trust, at=at, limits=limits)
    two = read_version(right_repository, right, trust=trust, at=at, limits=limits)
    return compare_versions(
        one, two, diff_kits(repository, one.kit, right_repository, two.kit, reads_folders=reads_folders)
    )


def compare_versions(one: Version, two: Version, kit: ContentDiff) -> ModelKitDiff:
    """Compare two versions that were read; ``kit`` says what differs in the ModelKits themselves."""
    files = _by_path(kit)
    if one.files is not None and two.files is not None:
        files = one.files.files.changes_to(two.files.files)
    return ModelKitDiff(
        one,
        two,
        kit,
        tuple(_metric_changes(one, two)),
        _only_in(two.origins, one.origins),
        _only_in(one.origins, two.origins),
        files,
    )


def _by_path(kit: ContentDiff) -> FileChanges | None:
    if kit.files is None:
        return None
    paths: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}
    for item in kit.files:
        paths[item.change].append(item.path)
    return FileChanges(*(tuple(found) for found in paths.values()))


def read_version(
    repository: Repository,
    target: str,
    *,
    trust: TrustPolicy | None = None,
    elsewhere: Elsewhere | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Version:
    """Read a ModelKit with all of its evidence; no layer is fetched."""
    kit = inspect(repository, target)
    walk = PromotionWalk(repository, elsewhere, trust=trust, at=at, limits=limits)
    evidence = read_everywhere(walk, kit.digest, trust=trust, at=at, limits=limits)
    found = replace(gather(kit.reference, evidence, is_checked=trust is not None), followed=walk.followed)
    return Version(kit, found, choose_files(evidence, is_trust_given=trust is not None))


def metrics_of(version: Version) -> dict[str, Any]:
    """Return a version's metrics: those of the provenance, else those that the export put into the Kitfile."""
    build = version.lineage.provenance
    if build is not None and build.metrics:
        return dict(build.metrics)
    value: Any = version.kit.kitfile.model.parameters if version.kit.kitfile.model else None
    for member in ("mlflow", "metrics"):
        value = value.get(member) if isinstance(value, dict) else None
    return dict(value) if isinstance(value, dict) else {}


def _metric_changes(one: Version, two: Version) -> list[MetricChange]:
    left, right = metrics_of(one), metrics_of(two)
    names = sorted({*left, *right})
    return [MetricChange(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)]


def _only_in(items: Sequence[Dependency], others: Sequence[Dependency]) -> tuple[Dependency, ...]:
    return tuple(
        item for item in items if not any(item.role == other.role and same_data(item, other) for other in others)
    )


def _signed(number: float | None) -> str:
    return "" if number is None else f"{number:+.6g}"


def _shown(change: MetricChange) -> tuple[Cell, Cell]:
    return value_text(change.left), value_text(change.right)


def _field_rows(changes: Sequence[FieldChange]) -> list[tuple[Cell, ...]]:
    return [(change.field, value_text(change.left), value_text(change.right)) for change in changes]


def _field_json(change: FieldChange) -> dict[str, Any]:
    return {"field": change.field, "change": change.change, "left": change.left, "right": change.right}
