"""Files that name libraries are read out of small layers, and what was not read is told."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from kitops_orchestration.lineage.answers import requirements
from kitops_orchestration.lineage.answers.requirements import MOST_FILE_BYTES, MOST_LAYER_BYTES, read_requirements
from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.projections.libraries import libraries
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.testing.builders import random_bytes

KITFILE = """\
manifestVersion: 1.0.0
package: {name: iris}
model: {name: iris, path: model}
code: [{path: src}]
docs: [{path: requirements.txt}]
datasets: [{name: train, path: data}]
"""
CONDA = """\
channels: [conda-forge]
dependencies:
- python=3.11.7
- conda-forge::NumPy=1.26.4=py311h64a7726_0
- scipy ==1.13.0
- pip<=25
- numpy[version='>=1']
- https://user:geheim@example.com/pkgs::torch==2.0
- pip: [mlflow==3.4.0, "skops>=0.11", {not: text}]
"""
FILES: Mapping[str, bytes | str] = {
    "Kitfile": KITFILE,
    "model/conda.yaml": CONDA,
    "model/model.bin": b"weights",
    "src/deep/requirements.txt": "pandas~=2.2\n",
    "src/train.py": "import pandas\n",
    "requirements.txt": "mlflow==3.4.0\n",
    "data/requirements.txt": "evil==1.0\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(tmp_path / "registry"), "team/iris"))


def write_tree(root: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def named(repository, tag: str) -> list[tuple[str, str | None]]:
    found = passport(repository, tag, reads_requirements=True)
    return [(item.package_url, item.version) for item in libraries(found)]


def test_a_bill_names_the_libraries_of_the_modelkits_own_files(tmp_path, repository) -> None:
    pack(write_tree(tmp_path / "context", FILES), repository, tag="v1")
    assert named(repository, "v1") == [
        ("pkg:conda/numpy@1.26.4", "1.26.4"),
        ("pkg:conda/pip", None),
        ("pkg:conda/python", None),
        ("pkg:conda/scipy@1.13.0", "1.13.0"),
        ("pkg:pypi/mlflow@3.4.0", "3.4.0"),
        ("pkg:pypi/pandas", None),
        ("pkg:pypi/skops", None),
    ]
    bill = passport(repository, "v1", reads_requirements=True).to_cyclonedx()
    assert "properties" not in bill["metadata"]
    assert "geheim" not in str(bill)
    assert libraries(passport(repository, "v1")) == ()  # nobody asked: no layer is fetched


@pytest.mark.parametrize(
    "text",
    [
        "dependencies: &a [*a]\n",
        "a: &a [x,x]\nb: &b [*a,*a]\n",
        "{",
        "dependencies: {pip: [evil==1]}",
        "- list",
        "",
        "dependencies: [1, null, {pip: text}]",
    ],
)
def test_an_odd_environment_names_nothing_and_stops_nothing(tmp_path, repository, text) -> None:
    pack(write_tree(tmp_path / "context", {**FILES, "model/conda.yaml": text}), repository, tag="v1")
    assert [name for name, _ in named(repository, "v1")] == ["pkg:pypi/mlflow@3.4.0", "pkg:pypi/pandas"]


def test_what_is_large_is_not_fetched_and_the_bill_says_so(tmp_path, repository) -> None:
    large = {**FILES, "model/model.bin": random_bytes(MOST_LAYER_BYTES + 1)}
    pack(write_tree(tmp_path / "context", large), repository, tag="v1")
    kit = inspect(repository, "v1")
    fetched = []
    fetch = repository.fetch_blob

    class Counting:
        reference = repository.reference

        def fetch_blob(self, descriptor, **options):
            fetched.append(descriptor.digest)
            return fetch(descriptor, **options)

    found = read_requirements(Counting(), kit)
    layers = {layer.path: layer.digest for layer in kit.layers}
    assert set(fetched) == {layers["src"], layers["requirements.txt"]}
    assert [(item.path, bool(item.problem)) for item in found] == [
        ("model", True),
        ("src/deep/requirements.txt", False),
        ("requirements.txt", False),
    ]
    told = passport(repository, "v1", reads_requirements=True)
    (note,) = told.to_cyclonedx()["metadata"]["properties"]
    assert note["name"] == "kitops:not-read"
    assert note["value"].startswith("model: not looked into")
    assert "model: not looked into" in str(told.to_spdx()["@graph"])


def test_a_layer_that_unpacks_to_very_much_is_left(tmp_path, repository, monkeypatch) -> None:
    monkeypatch.setattr(requirements, "MOST_PLAIN_BYTES", 4096)  # the real bound takes a second to reach
    pack(write_tree(tmp_path / "context", {**FILES, "src/zeros": bytes(100_000)}), repository, tag="v1")
    found = {item.path: item.problem for item in read_requirements(repository, inspect(repository, "v1"))}
    assert "unpacks to more than 4,096 bytes" in str(found["src"])
    assert found["requirements.txt"] is None


def test_a_file_that_is_too_long_is_not_kept(tmp_path, repository) -> None:
    long = {**FILES, "src/deep/requirements.txt": "#" * (MOST_FILE_BYTES + 1)}
    pack(write_tree(tmp_path / "context", long), repository, tag="v1")
    found = {item.path: item for item in read_requirements(repository, inspect(repository, "v1"))}
    assert found["src/deep/requirements.txt"].content == b""
    assert "more than" in str(found["src/deep/requirements.txt"].problem)


def test_bytes_that_are_not_those_of_the_digest_name_nothing(tmp_path, repository) -> None:
    pack(write_tree(tmp_path / "context", FILES), repository, tag="v1")
    kit = inspect(repository, "v1")
    other = io.BytesIO()
    with tarfile.open(fileobj=other, mode="w") as archive:
        info = tarfile.TarInfo("requirements.txt")
        info.size = len(b"evil==1.0\n")
        archive.addfile(info, io.BytesIO(b"evil==1.0\n"))

    class Lying:
        reference = repository.reference

        def fetch_blob(self, descriptor, **_):
            return io.BytesIO(other.getvalue()[: descriptor.size].ljust(descriptor.size, b"\0"))

    found = read_requirements(Lying(), kit)
    assert all(item.problem and item.content == b"" for item in found)
