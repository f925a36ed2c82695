"""What is different between two ModelKits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kitops_orchestration.lineage.answers.compare import diff
from kitops_orchestration.modelkit.diff import FieldChange, content_diff
from kitops_orchestration.modelkit.file_list import attach_file_list, diff_kits, known_files
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.layout import LayoutRepository

MakeContext = Callable[..., Path]
OLD = """manifestVersion: 1.0.0
package: {name: iris, authors: [Ada]}
model:
  path: m
  parameters: {mlflow: {metrics: {accuracy: 0.9, loss: 1}, params: {lr: "0.1"}, run_id: a}}
code: [{path: src}]
docs: [{path: README.md}]
"""
NEW = """manifestVersion: 1.0.0
package: {name: iris, version: "2", authors: [Ada, Grace]}
model:
  path: m
  parameters: {mlflow: {metrics: {accuracy: 0.95}, params: {lr: "0.2", depth: "3"}, run_id: b}}
datasets: [{path: data.csv}]
docs: [{path: README.md}]
"""


def two_kits(make_context: MakeContext, repository: LayoutRepository) -> None:
    same = {"README.md": "r"}
    pack(make_context({"Kitfile": OLD, "m/a": "1", "m/b": "22", "src/x.py": "x", **same}, "old"), repository, tag="old")
    pack(
        make_context({"Kitfile": NEW, "m/a": "2", "m/c": "333", "data.csv": "d", **same}, "new"), repository, tag="new"
    )


def test_kitfile_layers_metrics_and_parameters_are_compared(
    make_context: MakeContext, repository: LayoutRepository
) -> None:
    two_kits(make_context, repository)

    result = content_diff(inspect(repository, "old"), inspect(repository, "new"))

    assert set(result.fields) >= {
        FieldChange("package.version", "added", None, "2"),
        FieldChange("package.authors[1]", "added", None, "Grace"),
        FieldChange("model.parameters.mlflow.run_id", "changed", "a", "b"),
    }
    assert {(change.field, change.change) for change in result.metrics} == {
        ("accuracy", "changed"),
        ("loss", "removed"),
    }
    assert {(change.field, change.right) for change in result.parameters} == {("lr", "0.2"), ("depth", "3")}
    assert {(layer.kind, layer.path): layer.change for layer in result.layers} == {
        ("model", "m"): "changed",
        ("code", "src"): "removed",
        ("docs", "README.md"): "same",
        ("dataset", "data.csv"): "added",
    }
    assert result.files is None
    assert not result.is_same


def test_files_are_compared_where_layers_are_local(make_context: MakeContext, repository: LayoutRepository) -> None:
    two_kits(make_context, repository)

    result = diff_kits(repository, inspect(repository, "old"), repository, inspect(repository, "new"))

    assert result.files is not None
    assert [(file.path, file.change, file.left_size_bytes, file.right_size_bytes) for file in result.files] == [
        ("data.csv", "added", None, 1),
        ("m/a", "changed", 1, 1),
        ("m/b", "removed", 2, None),
        ("m/c", "added", None, 3),
        ("src/x.py", "removed", 1, None),
    ]


def test_an_attached_list_is_used_instead_of_layers(make_context: MakeContext, repository: LayoutRepository) -> None:
    two_kits(make_context, repository)
    kit = inspect(repository, "old")
    expected = known_files(repository, kit)

    first, again = attach_file_list(repository, kit), attach_file_list(repository, kit)
    for layer in kit.layers:
        repository.blob_path(layer.digest).unlink()

    assert (first.is_new, again.is_new) == (True, False)
    assert known_files(repository, kit) == expected


def test_the_same_modelkit_has_no_difference(make_context: MakeContext, repository: LayoutRepository) -> None:
    two_kits(make_context, repository)

    result = diff(repository, "old", "old")

    assert result.is_same
    assert "No difference" in result.to_markdown()


def test_json_and_markdown_say_the_same(make_context: MakeContext, repository: LayoutRepository) -> None:
    two_kits(make_context, repository)
    result = diff(repository, "old", "new", reads_folders=True)

    value, text = result.to_json(), result.to_markdown()

    assert [entry["path"] for entry in value["fileSizes"]] == ["data.csv", "m/a", "m/b", "m/c", "src/x.py"]
    assert value["same"] is False
    for word in ("package.version", "accuracy", "depth", "m/c", "| dataset | data.csv | added |"):
        assert word in text


def test_inspect_shows_what_kit_shows(make_context: MakeContext, repository: LayoutRepository) -> None:
    two_kits(make_context, repository)

    value = inspect(repository, "old").to_json()

    assert value["kitfile"]["package"]["name"] == "iris"
    assert value["manifest"]["schemaVersion"] == 2
    assert value["digest"].startswith("sha256:")
    assert value["cliVersion"] == "kitops-orchestration"
