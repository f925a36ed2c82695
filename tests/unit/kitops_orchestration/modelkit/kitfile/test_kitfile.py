"""Kitfiles are read strictly, kept whole, and written as the Kit CLI writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.errors import KitfileError, ModelKitError
from kitops_orchestration.modelkit.kitfile import Dataset, Kitfile, Model, Package

WHOLE = """manifestVersion: 1.0.0
package:
  name: iris
  version: "1.0"
  description: |
    Two
    lines
  license: Apache-2.0
  authors: [Ada, Grace Hopper]
model:
  name: classifier
  path: ./model
  license: MIT
  framework: scikit-learn
  format: skops
  version: "2"
  description: a model
  parts:
    - name: tokenizer
      path: tokenizer.json
      license: MIT
      type: tokenizer
  parameters:
    a10: 1
    a9: [1, 2.5]
    z: {b: null, a: true}
code:
  - path: src
    description: code
    license: MIT
datasets:
  - name: train
    path: data/train.csv
    description: rows
    license: CC-BY-4.0
    parameters: {}
  - name: remote
    path: data/remote
    remotePath: s3://bucket/key
    remoteHash: abc
docs:
  - path: README.md
    description: read me
prompts:
  - name: ask
    path: ask.prompt
    description: a prompt
mcpServers:
  - name: files
    path: files.mcpb
    description: a server
"""
WRITTEN = """manifestVersion: 1.0.0
package:
  name: iris
  version: "1.0"
  description: |
    Two
    lines
  license: Apache-2.0
  authors: [Ada, Grace Hopper]
model:
  name: classifier
  path: ./model
  license: MIT
  framework: scikit-learn
  format: skops
  version: "2"
  description: a model
  parts:
    - name: tokenizer
      path: tokenizer.json
      license: MIT
      type: tokenizer
  parameters:
    a9:
      - 1
      - 2.5
    a10: 1
    z:
      a: true
      b: null
code:
  - path: src
    description: code
    license: MIT
datasets:
  - name: train
    path: data/train.csv
    description: rows
    license: CC-BY-4.0
    parameters: {}
  - name: remote
    path: data/remote
    remotePath: s3://bucket/key
    remoteHash: abc
docs:
  - path: README.md
    description: read me
prompts:
  - name: ask
    path: ask.prompt
    description: a prompt
mcpServers:
  - name: files
    path: files.mcpb
    description: a server
"""


def test_every_field_survives_load_and_save(tmp_path: Path) -> None:
    kitfile = Kitfile.parse(WHOLE)
    kitfile.save(tmp_path / "Kitfile")

    assert (tmp_path / "Kitfile").read_text() == WRITTEN
    assert Kitfile.load(tmp_path) == kitfile
    assert Kitfile.load(tmp_path / "Kitfile") == kitfile
    assert Kitfile.from_config(kitfile.to_config()) == kitfile


def test_scalars_bound_to_text_keep_their_letters() -> None:
    package = Kitfile.parse("package: {name: 007, version: 1.10, description: yes, license: ~}").package

    assert package == Package(name="007", version="1.10", description="yes")


def test_absent_and_empty_parameters_are_different() -> None:
    kitfile = Kitfile.parse("model: {path: m, parameters: 0}\ndatasets: [{path: d, parameters: null}]")

    assert b'"parameters":0' in kitfile.to_config()
    assert kitfile.to_config().count(b"parameters") == 1


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("nope: 1", "nope", 1),
        ("package:\n  nam: x", "package.nam", 2),
        ("model:\n  path: a\n  path: b", "model.path", 3),
        ("model:\n  parameters:\n    a: 1\n    a: 2", "model.parameters.a", 4),
        ("model:\n  parameters:\n    1: 2", "model.parameters", 3),
        ("package:\n  name: [x]", "package.name", 2),
        ("package:\n  authors: Ada", "package.authors", 2),
        ("code:\n  path: x", "code", 2),
        ("code:\n  - x", "code[0]", 2),
        ("datasets:\n  - path: a\n    remote_path: b", "datasets[0].remote_path", 3),
        ("- a", None, 1),
        ("just text", None, 1),
        ("a: [", None, 1),
        ("a: *b", None, 1),
        ("model:\n  parameters: &a [*a]", "model.parameters[0]", 2),
        ("package: {name: !!int x}", "package.name", 1),
    ],
)
def test_mistakes_are_told_with_file_line_and_field(text: str, field: str | None, line: int) -> None:
    with pytest.raises(KitfileError) as caught:
        Kitfile.parse(text, path="here/Kitfile")

    assert str(caught.value).startswith(f"here/Kitfile:{line}:")
    assert (caught.value.path, caught.value.field) == ("here/Kitfile", field)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "Kitfile").write_text(text)

    if text == "---\n":  # a document that is null is an empty Kitfile, as in yaml.v3
        assert Kitfile.load(tmp_path) == Kitfile()
    else:
        with pytest.raises(KitfileError, match="empty"):
            Kitfile.load(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"package: {name: \xe9}"])
def test_bytes_that_are_not_utf8_are_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "Kitfile").write_bytes(content)

    with pytest.raises(KitfileError, match="UTF-8"):
        Kitfile.load(tmp_path)


def test_aliases_cannot_expand_without_bound() -> None:
    bomb = "model:\n  parameters:\n    a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        bomb += f"    a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n"

    with pytest.raises(KitfileError, match="expand"):
        Kitfile.parse(bomb)


def test_a_long_text_cannot_be_shown_without_bound() -> None:
    many = f"b: &b [{', '.join(['*a'] * 300)}], c: &c [{', '.join(['*b'] * 100)}]"

    with pytest.raises(KitfileError, match="letters: aliases expand too far"):
        Kitfile.parse("model: {path: m, parameters: {a: &a " + "x" * 3000 + f", {many}" + "}}\n")


def test_merges_of_merges_end_and_the_first_value_wins() -> None:
    chain = ["a0: &a0 {x: 0, y: 0}", "b: &b {x: 1}"]
    chain += [f"a{level}: &a{level} {{<<: [*b, {', '.join([f'*a{level - 1}'] * 10)}]}}" for level in range(1, 30)]

    parameters = Kitfile.parse(f"model: {{path: m, parameters: {{{', '.join(chain)}}}}}\n").model.parameters

    assert parameters["a29"] == {"x": 1, "y": 0}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("code: [{path: a}, {path: ./a/}]", "same path"),
        ("model: {path: ''}\ncode: [{path: .}]", "same path"),
        ("code: [{path: /etc}]", "absolute"),
        ("code: [{path: ../x}]", "leaves the context"),
        ("code: [{path: a/../../x}]", "leaves the context"),
        ("code: [{path: 'https://x.example/y'}]", "URL"),
        ("model: {path: m, parts: [{path: p, type: 'not a type'}]}", "type"),
        ("datasets: [{path: d, remoteHash: x}]", "needs a remotePath"),
        ("datasets: [{path: d, remotePath: 's3://b/k'}]", "remoteHash"),
        ("datasets: [{path: d, remotePath: 'https://b/k', remoteHash: x}]", "s3://"),
        ("mcpServers: [{path: a.mcpb}]", "name and a path"),
        ("mcpServers: [{name: a, path: a.zip}]", ".mcpb"),
        ("mcpServers: [{name: a, path: a.mcpb}, {name: a, path: b.mcpb}]", "twice"),
        ("datasets: [{path: d, remotePath: 'reg.example/a:1'}]\ncode: [{path: d/code}]", "inside the remote"),
    ],
)
def test_rules_of_the_format_are_checked(text: str, problem: str) -> None:
    with pytest.raises(KitfileError, match=problem):
        Kitfile.parse(text)


def test_all_broken_rules_are_reported_together() -> None:
    with pytest.raises(KitfileError) as caught:
        Kitfile.parse("code: [{path: /a}]\ndocs: [{path: ../b}]")

    assert str(caught.value).count("\n  * ") == 2


@pytest.mark.parametrize(
    "config",
    [b"", b"[]", b"{", b'{"model":[]}', b'{"code":{}}', b'{"package":{"name":1}}', b'{"package":{"authors":[1]}}'],
)
def test_a_broken_config_is_an_error(config: bytes) -> None:
    with pytest.raises(ModelKitError):
        Kitfile.from_config(config)


@pytest.mark.parametrize("depth", [250, 900, 50_000])
def test_values_nested_without_end_are_refused(depth: int) -> None:
    with pytest.raises(ModelKitError):
        Kitfile.from_config(b'{"model":{"parameters":' + b"[" * depth + b"]" * depth + b"}}")
    with pytest.raises(KitfileError):
        Kitfile.parse("model: {parameters: " + "[" * depth + "]" * depth + "}")


def test_minus_zero_survives() -> None:
    config = b'{"manifestVersion":"","package":{},"model":{"parameters":-0}}'

    assert Kitfile.from_config(config).to_config() == config


def test_a_config_of_a_later_format_is_read() -> None:
    kitfile = Kitfile.from_config(b'{"manifestVersion":"9","future":1,"model":{"path":"m","later":{}}}')

    assert kitfile.model == Model(path="m")


def test_digests_go_into_the_config_and_never_into_yaml() -> None:
    kitfile = Kitfile.from_config(b'{"model":{"path":"m","digest":"sha256:1","diffId":"sha256:2"}}')

    assert kitfile.model is not None
    assert kitfile.model.digest == "sha256:1"
    assert b'"digest":"sha256:1","diffId":"sha256:2"' in kitfile.to_config()
    assert "sha256" not in kitfile.to_yaml()
    assert kitfile == Kitfile(manifest_version="", model=Model(path="m"))


def test_a_kitfile_made_in_python_is_valid_yaml() -> None:
    kitfile = Kitfile("1.0.0", Package("x: y", "1", "# no comment"), datasets=(Dataset("", "- d", parameters=[{}]),))

    assert Kitfile.parse(kitfile.to_yaml()) == kitfile


def test_saving_where_nothing_can_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KitfileError, match="cannot write"):
        Kitfile().save(tmp_path / "missing" / "Kitfile")


def test_a_directory_without_kitfile_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KitfileError, match="no Kitfile"):
        Kitfile.load(tmp_path)


texts = st.text(max_size=12)
# A whole number beyond 2**53 is written with the digits that tell it from its neighbours, and read as an integer.
floats = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) <= 2**53 or not x.is_integer())
parameters = st.none() | st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
# Names that no rule speaks about; every path is another one.
sections = st.fixed_dictionaries(
    {
        "package": st.builds(Package, texts, texts, texts, texts, st.lists(texts, max_size=3).map(tuple)),
        "model": st.none()
        | st.builds(Model, texts, st.just("m"), texts, texts, texts, texts, texts, parameters=parameters),
        "datasets": st.lists(
            st.builds(Dataset, texts, st.just("d"), description=texts, parameters=parameters), max_size=1
        ),
    }
)


@given(sections)
def test_any_kitfile_survives_yaml_and_config(values: dict[str, Any]) -> None:
    kitfile = Kitfile("1.0.0", values["package"], values["model"], datasets=tuple(values["datasets"]))

    assert Kitfile.parse(kitfile.to_yaml()) == kitfile
    assert Kitfile.from_config(kitfile.to_config()) == kitfile
