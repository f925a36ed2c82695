"""Files that name libraries are read out of small layers, and what was not read is told."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from kitops_orchestration.lineage.answers import requirements
from kitops_orchestration.lineage.answers.requirements import (
    MOST_BYTES,
    MOST_FILE_BYTES,
    MOST_FILES,
    MOST_LAYER_BYTES,
    read_requirements,
)
from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.projections.libraries import MOST, libraries
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
    return [(item.identity, item.version) for item in libraries(found).named]


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
    (note,) = bill["metadata"]["properties"]
    assert note["value"] == "model/conda.yaml: lines that name no library in a form that is understood: 2"
    assert "geheim" not in str(bill)
    assert libraries(passport(repository, "v1")).named == ()  # nobody asked: no layer is fetched


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


def told(repository, tag: str) -> tuple[str, ...]:
    return libraries(passport(repository, tag, reads_requirements=True)).not_read


def test_files_are_bounded_over_the_whole_modelkit_and_each_that_is_left_is_named(tmp_path, repository) -> None:
    many = {f"src/d{number:03}/requirements.txt": f"lib{number}\n" for number in range(MOST_FILES + 2)}
    few_and_long = {f"src/d{number:03}/requirements.txt": "#" * MOST_FILE_BYTES for number in range(18)}
    pack(write_tree(tmp_path / "many", {**FILES, **many}), repository, tag="many")
    pack(write_tree(tmp_path / "long", {**FILES, **few_and_long}), repository, tag="long", compression="gzip")

    found = read_requirements(repository, inspect(repository, "many"))
    assert sum(item.problem is None for item in found) == MOST_FILES
    left = [line for line in told(repository, "many") if "not read: more than 64 files" in line]
    assert len(left) == len(FILES) - 4 + len(many) - MOST_FILES
    found = read_requirements(repository, inspect(repository, "long"))
    assert MOST_BYTES - MOST_FILE_BYTES < sum(len(item.content) for item in found) <= MOST_BYTES
    assert "src/d017/requirements.txt: not read: more than 4,194,304 bytes in such files" in told(repository, "long")


def test_very_many_files_that_are_left_are_counted(tmp_path, repository) -> None:
    many = {f"src/d{number:03}/requirements.txt": "a\n" for number in range(3 * MOST_FILES)}
    pack(write_tree(tmp_path / "context", {**FILES, **many}), repository, tag="v1")

    # Three more are in the ModelKit: conda.yaml, and requirements.txt twice.
    assert "others: not read: 67 more files" in told(repository, "v1")
    assert len(told(repository, "v1")) == 64 + 1 + 1


def test_numbers_of_a_conda_environment_are_text_and_each_file_is_read_once(tmp_path, repository, monkeypatch) -> None:
    composed = []
    compose = yaml.composer.Composer.get_single_node
    monkeypatch.setattr(yaml.composer.Composer, "get_single_node", lambda self: composed.append(1) or compose(self))
    base_60 = "dependencies: [1" + ":1" * 120_000 + ", !!int 1.10, numpy=1.10]\n"
    pack(write_tree(tmp_path / "context", {**FILES, "model/conda.yaml": base_60}), repository, tag="v1")
    page = passport(repository, "v1", reads_requirements=True)
    composed.clear()

    bill = page.to_cyclonedx()

    assert "pkg:conda/numpy" in str(bill)
    assert composed == [1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('dependencies: ["\\UFFFFFFFF"]', "no character"),
        ('dependencies: ["\\U00110000"]', "no character"),
        ("dependencies: [" + "a," * 5000 + "]", "too many values"),
        ("dependencies: [a]\ndependencies: [b]", "line 2: 'dependencies' is written twice"),
        ("a: &a {dependencies: [evil]}\n<<: *a", "merge keys"),
        ("? [a]\n: b", "a name is not text"),
        ("a: &a " + "x" * 9000 + "\nb: [" + "*a," * 9 + "]", "aliases add"),
        ("[" * 3000, "nested too deeply"),
        ("dependencies: {a: b}", "no list"),
        ("text", "no mapping"),
    ],
)
def test_what_is_wrong_with_an_environment_is_told(tmp_path, repository, text, says) -> None:
    pack(write_tree(tmp_path / "context", {**FILES, "model/conda.yaml": text}), repository, tag="v1")
    (line,) = told(repository, "v1")
    assert line.startswith("model/conda.yaml: could not be read: ")
    assert says in line


def test_a_long_list_of_one_file_hides_no_other_and_the_cut_is_told(tmp_path, repository) -> None:
    invented = "dependencies:\n" + "".join(f"- a{number}\n" for number in range(MOST + 10))
    pack(write_tree(tmp_path / "context", {**FILES, "model/conda.yaml": invented}), repository, tag="v1")

    found = named(repository, "v1")
    assert len(found) == MOST
    assert {name for name, _ in found} > {"pkg:pypi/mlflow@3.4.0", "pkg:pypi/pandas"}
    assert told(repository, "v1") == (
        "model/conda.yaml: 10 lines are left out: it names more than 2,000 libraries",
        "2 libraries are left out: the list ends at 2,000",
    )


def test_lines_of_requirements_are_read_as_pip_reads_them(tmp_path, repository) -> None:
    lines = (
        "\ufefftorch==1.0.0\n"
        "numpy==1.0 \\\n  --hash=sha256:00\n"
        "joined\\\n==1.0\n"
        "# a comment goes not on \\\nafter==2.0\n"
        "fork[extra] @ git+https://geheim@evil.example/x@main?token=geheim#egg=requests ; python_version > '3'\n"
        "requests@https://evil.example/requests-9.whl\n"
        "-r base.txt\n-c fixed.txt\n--requirement=more.txt\n--index-url https://example.com/simple\n"
        "./local.whl\n-e .\n"
        "last==1.0 \\"
    )
    files = {**FILES, "model/conda.yaml": "", "requirements.txt": "", "src/deep/requirements.txt": lines}
    pack(write_tree(tmp_path / "context", files), repository, tag="v1")
    page = passport(repository, "v1", reads_requirements=True)
    bill = page.to_cyclonedx()

    assert named(repository, "v1") == [
        ("library:fork@git+https://evil.example/x@main", None),
        ("library:requests@https://evil.example/requests-9.whl", None),
        ("pkg:pypi/after@2.0", "2.0"),
        ("pkg:pypi/joined@1.0", "1.0"),
        ("pkg:pypi/last@1.0", "1.0"),
        ("pkg:pypi/numpy@1.0", "1.0"),
        ("pkg:pypi/torch@1.0.0", "1.0.0"),
    ]
    assert told(repository, "v1") == (
        "src/deep/requirements.txt: lines that lead to other lists (-r, -c), which were not followed: 3",
        "src/deep/requirements.txt: lines that name no library in a form that is understood: 2",
    )
    (fork,) = [item for item in bill["components"] if item["name"] == "fork"]
    address = {"type": "distribution", "url": "git+https://evil.example/x@main"}
    assert fork == {
        "type": "library",
        "bom-ref": "library:fork@git+https://evil.example/x@main",
        "name": "fork",
        "externalReferences": [address],
    }
    spdx = page.to_spdx()
    assert address["url"] in [item.get("software_downloadLocation") for item in spdx["@graph"]]
    assert "geheim" not in str(bill) + str(spdx)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("path", ["model/conda.yaml", "src/deep/requirements.txt"])
def test_what_is_not_utf_8_is_told(tmp_path, repository, encoding, path) -> None:
    pack(write_tree(tmp_path / "context", {**FILES, path: "# für\n".encode(encoding)}), repository, tag="v1")
    assert f"{path}: not all of it could be read: it is not UTF-8; save it as UTF-8" in told(repository, "v1")


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
