"""Bytes against words: a name, a Kitfile or a manifest may lie about what a ModelKit holds."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from dataclasses import replace

import pytest

from kitops_orchestration.errors import CheckFailedError, VerificationError
from kitops_orchestration.modelkit.pickle_bytes import is_pickle
from kitops_orchestration.oci.manifest import Manifest, parse

DENY = {"serialization": {"deny": ["pickle"]}}
PICKLED = {"a": [1, 2, 3], "name": "weights"}


def zipped(content: bytes, name: str = "archive/data.pkl") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("archive/version", b"3")
        archive.writestr(name, content)
    return made.getvalue()


def numpy_objects() -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + pickle.dumps([1])


HIDDEN = {
    "protocol 5": pickle.dumps(PICKLED, protocol=5),
    "protocol 2": pickle.dumps(PICKLED, protocol=2),
    "protocol 0": pickle.dumps(PICKLED, protocol=0),
    "a call": b"cposix\nsystem\n(S'true'\ntR.",
    "large": pickle.dumps(["x" * 100] * 3 + [bytes(300_000)]),
    "torch": zipped(pickle.dumps(PICKLED)),
    "zip in a zip": zipped(zipped(pickle.dumps(PICKLED)), "inner.zip"),
    "gzip": gzip.compress(pickle.dumps(PICKLED)),
    "a call behind the begin of safetensors": b"\x8c\x07" + b"\0" * 6 + b"{0cposix\nsystem\n(S'true'\ntR.",
    "a number before a call": b"I0\n0cposix\nsystem\n(S'true'\ntR.",
    "objects of NumPy": numpy_objects(),
    "objects of NumPy in a zip": zipped(numpy_objects(), "a.npy"),
}
HIDDEN |= {f"joblib's zlib at level {level}": zlib.compress(pickle.dumps(PICKLED), level) for level in (1, 3, 6, 9)}
HIDDEN |= {
    f"{form} of joblib": lzma.compress(pickle.dumps(PICKLED), format=number)
    for form, number in (("xz", lzma.FORMAT_XZ), ("lzma", lzma.FORMAT_ALONE))
}


def tarred(content: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo("model.ckpt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


CLOSED = {
    "a tar": tarred(pickle.dumps(PICKLED)),
    "a tar in gzip": gzip.compress(tarred(pickle.dumps(PICKLED))),
    "gzip twice": gzip.compress(gzip.compress(pickle.dumps(PICKLED))),
    "a zip in gzip": gzip.compress(zipped(pickle.dumps(PICKLED))),
    "a tar in a zip": zipped(tarred(pickle.dumps(PICKLED)), "model.nemo"),
    "Zstandard": b"\x28\xb5\x2f\xfd" + bytes(40),
    "LZ4": b"\x04\x22\x4d\x18" + bytes(40),
}
INNOCENT = {
    "text": b"class Model:\n    pass\n(a comment)\n",
    "csv": b"5.1,setosa\n",
    "json": b'{"a": [1, 2, 3]}',
    "in brackets": b"(see the paper)\nfor more.\n",
    "a code file": b"}\n",
    "safetensors": (2).to_bytes(8, "little") + b"{}",
    "zeros": bytes(5000),
    "a number in NumPy": b"\x93NUMPY\x01\x00\x20\x00{'descr': '<f8', 'shape': (3,), }",
    "a zip": zipped(b"3", "archive/data.txt"),
    "gzip": gzip.compress(b"a,b\n1,2\n"),
    "high bytes": b"\x80\x04 is no pickle",
}


def model(team, content: bytes, path="model", name="weights.safetensors", tag="1.0.0"):
    folder = team.folder / f"context-{tag}-x" / path
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    team.kitfile["model"].update(path=path, format="safetensors")
    team.kitfile["model"].pop("parameters", None)
    return team.pack(tag, "x")


@pytest.mark.parametrize("content", CLOSED.values(), ids=CLOSED)
def test_an_archive_that_is_not_looked_into_has_not_passed(team, content):
    """Put the pickle into a tar, into gzip twice, or into a form that nothing here reads."""
    found = team.check(model(team, content), team.policy(DENY))
    assert not found.is_passed
    assert "cannot be looked into" in found.actual


def test_weights_that_are_another_modelkits_have_not_passed(team):
    """Put the pickle into a ModelKit of its own, and name that as the model."""
    parent = model(team, pickle.dumps(PICKLED))
    team.kitfile["model"].update(path=str(parent.reference))
    found = team.check(team.pack("1.1.0", "y"), team.policy(DENY))
    assert not found.is_passed
    assert "is not looked into" in found.actual


@pytest.mark.parametrize("content", HIDDEN.values(), ids=HIDDEN)
def test_a_pickle_under_another_name_is_found_by_its_bytes(team, content):
    """Name a pickle weights.safetensors, say safetensors in the Kitfile, deny pickles."""
    found = team.check(model(team, content), team.policy(DENY))
    assert not found.is_passed
    assert "weights.safetensors" in found.actual


def test_a_pickle_in_the_models_folder_is_found_without_any_list(team):
    """A folder with good weights, and a .pkl beside them that nobody mentions."""
    (team.folder / "context-1.0.0-x" / "model").mkdir(parents=True)
    (team.folder / "context-1.0.0-x" / "model" / "scaler.pkl").write_bytes(pickle.dumps(PICKLED))
    team.kitfile["model"].update(path="model", format="safetensors")
    team.kitfile["model"].pop("parameters")

    assert "model/scaler.pkl is a pickle" in team.check(team.pack("1.0.0", "x"), team.policy(DENY)).actual


@pytest.mark.parametrize("content", INNOCENT.values(), ids=INNOCENT)
def test_what_is_no_pickle_passes(team, content):
    found = team.check(model(team, content, name="weights.bin"), team.policy(DENY))
    assert found.is_passed, found.actual


def safetensors(header: dict, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


TENSOR = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
GOOD_GGUF = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)
TRUE_NAMES = {"weights.safetensors": safetensors(TENSOR, bytes(range(8))), "weights.gguf": GOOD_GGUF}
FALSE_NAMES = {
    "text as safetensors": ("weights.safetensors", b"class Model: ..." * 10),
    "safetensors that are cut": ("weights.safetensors", safetensors(TENSOR, b"1234")),
    "safetensors with bytes behind": ("weights.safetensors", safetensors(TENSOR, bytes(8) + b"and more")),
    "GGUF as safetensors": ("weights.safetensors", GOOD_GGUF),
    "safetensors as GGUF": ("weights.gguf", TRUE_NAMES["weights.safetensors"]),
    "GGUF that is cut": ("weights.gguf", b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + bytes(40)),
    "an error page as ONNX": ("weights.onnx", b"<!DOCTYPE html><html>not found</html>"),
    "text as ONNX": ("weights.onnx", b"this is not a graph at all"),
}


@pytest.mark.parametrize("name", TRUE_NAMES)
def test_a_name_that_the_bytes_agree_with_passes(team, name):
    found = team.check(model(team, TRUE_NAMES[name], name=name), team.policy(DENY))
    assert found.is_passed, found.actual


@pytest.mark.parametrize(("name", "content"), FALSE_NAMES.values(), ids=FALSE_NAMES)
def test_weights_whose_header_is_not_that_of_their_name_have_not_passed(team, name, content):
    """Call other bytes safetensors, GGUF or ONNX, or cut them."""
    found = team.check(model(team, content, name=name), team.policy(DENY))
    assert not found.is_passed
    assert f"{name} is not what its name says" in found.actual


ALLOW = {"serialization": {"allow": ["safetensors"]}}
NOT_SAFETENSORS = {
    "a pickle": ("weights.safetensors", pickle.dumps(PICKLED)),
    "what torch.save writes": ("weights.safetensors", zipped(pickle.dumps(PICKLED))),
    "GGUF under its name": ("weights.gguf", GOOD_GGUF),
    "GGUF under another name": ("weights.data", GOOD_GGUF),
    "HDF5 under another name": ("weights.data", b"\x89HDF\r\n\x1a\n" + bytes(100)),
    "numbers of NumPy": ("weights.bin", b"\x93NUMPY\x01\x00\x20\x00{'descr': '<f8', 'shape': (3,), }"),
    "bytes that nobody knows": ("weights.bin", b"weights" * 10),
    "no weights at all": ("README.md", b"# Weights\n"),
}


@pytest.mark.parametrize(("name", "content"), NOT_SAFETENSORS.values(), ids=NOT_SAFETENSORS)
def test_what_is_not_of_an_allowed_form_is_red_whatever_it_is_called(team, name, content):
    """Allow safetensors alone, say so in the Kitfile, and store something else, under that name or another."""
    found = team.check(model(team, content, name=name), team.policy(ALLOW))
    assert not found.is_passed
    assert found.expected == "stored as safetensors"


def test_an_allowed_form_passes_with_what_lies_beside_weights(team):
    folder = team.folder / "context-1.0.0-x" / "model"
    folder.mkdir(parents=True)
    for name in ("config.json", "README.md", "tokenizer.model"):
        (folder / name).write_text('{"a": 1}')
    (folder / "weights.safetensors").write_bytes(TRUE_NAMES["weights.safetensors"])
    team.kitfile["model"].update(path="model", format="pytorch")
    team.kitfile["model"].pop("parameters")
    both = {"serialization": {"allow": ["safetensors", "onnx"], "deny": ["pickle"]}}
    for form, checks in (("pytorch", (ALLOW,)), ("safetensors", (ALLOW, both))):
        team.kitfile["model"]["format"] = form
        packed = team.pack("1.0.0", "x")
        for check in checks:
            found = team.check(packed, team.policy(check))
            assert found.is_passed, found.actual


def test_a_form_that_the_kitfile_states_and_nobody_allows_is_red(team):
    found = team.check(team.pack(), team.policy(ALLOW))
    assert (found.is_passed, found.actual) == (False, "skops")


@pytest.mark.parametrize(("form", "name"), [("gguf", "weights.bin"), ("safetensors", "weights.bin")])
def test_another_denied_form_is_found_by_its_bytes_too(team, form, name):
    """Deny a form that is no pickle, and store it under another name."""
    content = TRUE_NAMES[f"weights.{form}"]
    made = model(team, content, name=name)
    team.kitfile["model"].update(format="raw")
    made = team.pack("1.0.0", "x")
    found = team.check(made, team.policy({"serialization": {"deny": [form]}}))
    assert not found.is_passed
    assert f"model/weights.bin is {form}" in found.actual
    assert team.check(made, team.policy({"serialization": {"deny": ["onnx"]}})).is_passed


def test_a_zip_that_cannot_be_looked_into_has_not_passed(team):
    """Cut the archive, so that its directory is gone."""
    found = team.check(model(team, zipped(pickle.dumps(PICKLED))[:-30]), team.policy(DENY))
    assert not found.is_passed
    assert "cannot be looked into" in found.actual


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compressed_layers_are_looked_into(team, compression):
    team.kitfile["model"].pop("parameters")
    folder = team.folder / "context-1.0.0-x"
    folder.mkdir()
    team.pack = lambda *a, pack=team.pack, **k: pack(*a, compression=compression, **k)
    team.pack("1.0.0", "x")
    packed = team.pack("1.0.0", "x")
    (folder / "model.skops").write_bytes(pickle.dumps(PICKLED))
    packed = team.client.pack(folder, "staging/iris:2.0.0", compression=compression)
    found = team.check(packed, team.policy(DENY))
    assert "model.skops is a pickle" in found.actual


def test_every_form_is_told_from_its_first_bytes_alone():
    for content in (HIDDEN["protocol 5"], HIDDEN["protocol 2"], HIDDEN["a call"], HIDDEN["large"][:65536]):
        assert is_pickle(content)


# The manifest ----------------------------------------------------------------------------------------------------


def rewritten(team, packed, change, tag):
    """What somebody with the registry's rights makes of a manifest."""
    repository = team.client.repository(packed.reference)
    made = change(repository.fetch_manifest(packed.digest))
    repository.push_manifest(made, tag=tag)
    return replace(packed, reference=team.client.resolve(f"staging/iris:{tag}"))


def test_a_manifest_without_a_layer_that_its_kitfile_names_is_red(team):
    """Take the model's layer out of the manifest."""

    def without_model(manifest: Manifest) -> Manifest:
        kept = [
            layer for layer in manifest.layers if "model" not in layer.media_type.split(".v1")[0].split("kitops.")[-1]
        ]
        assert len(kept) < len(manifest.layers)
        return Manifest.build(
            config=manifest.config, layers=kept, artifact_type=manifest.artifact_type, annotations=manifest.annotations
        )

    cut = rewritten(team, team.pack(), without_model, "cut")
    policy = team.policy({"datasetsDeclared": True})
    plan = team.client.plan(cut.reference, stage="production", policy=policy, trust=team.trust)
    assert (plan.checks[0].id, plan.checks[0].is_passed) == ("layers", False)
    with pytest.raises(CheckFailedError, match=r"no layer for model\.skops"):
        team.client.promote(cut.reference, stage="production", policy=policy, trust=team.trust)


def with_newline(manifest: Manifest) -> Manifest:
    return parse(manifest.content + b"\n", manifest.media_type)


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
def test_what_is_denied_by_its_content_is_not_let_in_by_one_more_newline(team, part):
    """Deny the manifest, its config, or a layer; push the same manifest with a newline at its end."""
    packed = team.pack()
    manifest = team.client.repository(packed.reference).fetch_manifest(packed.digest)
    digest = {"manifest": packed.digest, "config": manifest.config.digest, "layer": manifest.layers[0].digest}[part]
    team.trust = replace(team.trust, deny=frozenset({digest}))
    again = rewritten(team, packed, with_newline, "again")
    assert again.reference.digest != packed.digest
    team.client.sign(again.reference, team.signer("rita"))
    policy = team.policy({"datasetsDeclared": True})

    found = team.client.plan(again.reference, stage="production", policy=policy, trust=team.trust).failed_checks

    assert [check.id for check in found] == ([] if part == "manifest" else ["trustPolicy"])
    if part != "manifest":
        with pytest.raises(VerificationError, match="denies"):
            team.client.verify(again.reference, trust=team.trust)


def test_in_toto_metrics_of_a_test_result_count_and_unknown_members_are_told():
    from kitops_orchestration.lineage.statements import TestResult
    from kitops_orchestration.lineage.statements.unknown_members import unknown_members

    for metrics in ({"accuracy": 0.5}, [{"name": "accuracy", "value": 0.5}]):
        said = TestResult.from_json({"result": "PASSED", "metrics": metrics})
        assert [(item.name, item.value) for item in said.metrics] == [("accuracy", "0.5")]
    assert unknown_members("test-result", {"result": "PASSED", "metrics": {}, "metric": {}}) == ["metric"]
    assert unknown_members("https://example.com/scan", {"anything": 1}) == []
