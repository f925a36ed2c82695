"""What changed between two versions: Kitfile, layers, files, data, code, metrics; without pulling a layer.

Which files changed inside a layer is known where both versions carry a directory signature or a list of their
files; in a folder they can be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kitops_orchestration.lineage import report
from kitops_orchestration.lineage.dependencies import Dependency, same_data
from kitops_orchestration.lineage.kitfile_data import datasets_of
from kitops_orchestration.lineage.questions import Lineage, gather, read_all
from kitops_orchestration.modelkit import diff as modelkit_diff
from kitops_orchestration.modelkit.file_list import diff_kits
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
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
        except (TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """The answer to *what changed?*"""

    left: Version
    right: Version
    kit: modelkit_diff.ModelKitDiff
    """Kitfile fields, layers, metrics and parameters in the Kitfile."""
    metrics: tuple[MetricChange, ...]
    """From the provenance, else from the Kitfile; those that differ."""
    added: tuple[Dependency, ...]
    """Data, code and base models that only the right side was made from."""
    removed: tuple[Dependency, ...]
    files: FileChanges | None
    """From directory signatures, else from the lists and layers at hand; ``None`` where a side has neither."""

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        return {
            **self.kit.to_json(),
            "metrics": [
                {"name": item.name, "left": item.left, "right": item.right, "difference": item.difference}
                for item in self.metrics
            ],
            "madeFrom": {
                "added": [item.to_json() for item in self.added],
                "removed": [item.to_json() for item in self.removed],
            },
            "files": None if self.files is None else self.files.to_json(),
            "fileSizes": self.kit.to_json()["files"],
        }

    def to_markdown(self, *, title: str | None = None, sides: tuple[str, str] = ("left", "right")) -> str:
        """Return one page for people; ``sides`` is what they call the two, the references stand in the title."""
        metrics = [(item.name, item.left, item.right, _signed(item.difference)) for item in self.metrics]
        origins = [
            *(("added", item.role, item.shown, item.identity) for item in self.added),
            *(("removed", item.role, item.shown, item.identity) for item in self.removed),
        ]
        fields = [(item.field, item.left, item.right) for item in self.kit.fields]
        layers = [
            (item.kind, item.path, item.change, item.left_size_bytes, item.right_size_bytes)
            for item in self.kit.layers
            if item.change != "same"
        ]
        parameters = [(item.field, item.left, item.right) for item in self.kit.parameters]
        return report.page(
            title or f"{self.kit.left} → {self.kit.right}",
            "No difference." if self.kit.is_same else "",
            report.section("Metrics", report.table(("metric", *sides, "difference"), metrics), None),
            report.section("Made from", report.table(("change", "role", "name", "identity"), origins), None),
            report.section("Parameters", report.table(("parameter", *sides), parameters), None),
            report.section("Kitfile", report.table(("field", *sides), fields), None),
            report.section(
                "Layers",
                report.table(("kind", "path", "change", *(f"{side}, bytes" for side in sides)), layers),
                None,
            ),
            report.section("Files", _files_text(self), None),
        )


def diff(
    repository: Repository,
    left: str,
    right: str,
    *,
    right_repository: Repository | None = None,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    reads_folders: bool = False,
    limits: Limits = Limits(),
) -> VersionDiff:
    """Compare the ModelKits at ``left`` and ``right``; for each its manifest, config and evidence are read.

    With ``reads_folders`` also the layers that only one of them has, where they are in a folder, for their files.
    """
    right_repository = right_repository or repository
    one = read_version(repository, left, trust=trust, at=at, limits=limits)
    two = read_version(right_repository, right, trust=trust, at=at, limits=limits)
    kit = diff_kits(repository, one.kit, right_repository, two.kit, reads_folders=reads_folders)
    files = _by_path(kit)
    if one.files is not None and two.files is not None:
        files = one.files.files.changes_to(two.files.files)
    return VersionDiff(
        one,
        two,
        kit,
        tuple(_metric_changes(one, two)),
        _only_in(two.origins, one.origins),
        _only_in(one.origins, two.origins),
        files,
    )


def _by_path(kit: modelkit_diff.ModelKitDiff) -> FileChanges | None:
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
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Version:
    """Read a ModelKit with all of its evidence; no layer is fetched."""
    kit = inspect(repository, target)
    evidence = read_all(repository, kit.digest, trust=trust, at=at, limits=limits)
    found = gather(kit.reference, evidence, is_checked=trust is not None)
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


def _files_text(answer: VersionDiff) -> str:
    if answer.files is None:
        return "Not known: both versions need a directory signature or a list of files for that."
    sizes = {item.path: (item.left_size_bytes, item.right_size_bytes) for item in answer.kit.files or ()}
    rows = [
        (change, path, *sizes.get(path, ("", "")))
        for change, paths in (
            ("added", answer.files.added),
            ("removed", answer.files.removed),
            ("changed", answer.files.changed),
        )
        for path in paths
    ]
    return report.table(("change", "file", "left, bytes", "right, bytes"), rows) or "No file differs."
