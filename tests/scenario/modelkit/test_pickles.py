"""Pickles that run something when they are loaded are refused, whatever they are called; good ones are not."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.errors import GateRefusedError
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.packing.gate import GateRules, check_folder, pickles
from kitops_orchestration.modelkit.scan import scan
from kitops_orchestration.oci.layout import LayoutRepository

pytest.importorskip("picklescan")


class _Runs:
    def __init__(self, function: object, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> object:
        return self._call


def evil(protocol: int = 4) -> bytes:
    return pickle.dumps(_Runs(os.system, "true"), protocol)


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


def array_of_objects(data: bytes) -> bytes:
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


def named(module: str, name: str, argument: str = "1") -> bytes:
    """Return a pickle of protocol 4 that calls ``module`` and ``name``, of which each dot is an attribute."""
    words = [b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name, argument)]
    return b"\x80\x04" + words[0] + words[1] + b"\x93" + words[2] + b"\x85R."


EVIL: dict[str, Callable[[], bytes]] = {
    **{f"p{number}.pkl": lambda number=number: evil(number) for number in range(6)},
    "model.bin": evil,
    "model.safetensors": evil,
    "weights": evil,
    "notes.txt": evil,
    "eval.pickle": lambda: pickle.dumps(_Runs(eval, "1")),
    "second.pkl": lambda: pickle.dumps({"a": 1}) + evil(),
    "breaks.pkl": lambda: evil()[:-1] + b"\xff\xff",
    "model.pt": lambda: zipped(archive__data__pkl=b"", **{"archive__data.pkl": evil()}),
    "nested.zip": lambda: zipped(**{"in.zip": zipped(**{"x.pkl": evil()})}),
    "array.npy": lambda: array_of_objects(evil()),
    "arrays.npz": lambda: zipped(**{"a.npy": array_of_objects(evil())}),
    "m.pkl.gz": lambda: gzip.compress(evil()),
    "m.joblib": lambda: zlib.compress(evil()),
    "m.bz2": lambda: bz2.compress(evil()),
    "m.xz": lambda: lzma.compress(evil()),
    "by-cloudpickle.pkl": lambda: named("cloudpickle.cloudpickle", "builtins.eval"),
    "by-cloudpickles-package.pkl": lambda: named("cloudpickle", "cloudpickle.builtins.eval"),
    "by-script.pkl": lambda: named("__main__", "os.system"),
    "by-script-alias.pkl": lambda: named("__main__", "_os.system"),
    "by-class.pkl": lambda: named("wsgiref.headers", "Headers.__init__.__builtins__.eval"),
    "by-any-module.pkl": lambda: named("random", "_os.system"),
    "hidden.npz": lambda: zipped(**{"innocent.txt": evil()}),
}


@pytest.mark.parametrize("name", EVIL)
def test_a_pickle_that_runs_something_is_refused(
    name: str, make_context: Callable[..., Path], repository: LayoutRepository
) -> None:
    folder = make_context({"m/" + name: EVIL[name](), "Kitfile": "manifestVersion: 1.0.0\nmodel: {path: m}\n"})
    with pytest.raises(GateRefusedError, match=r"(system|eval).* when it is loaded"):
        pack(folder, repository, tag="v1")
    assert not repository.exists()


GOOD: dict[str, Callable[[], bytes]] = {
    **{f"p{number}.pkl": lambda number=number: pickle.dumps({"a": [1, 2.5, "x"]}, number) for number in range(6)},
    "script.pkl": lambda: b"c__main__\nNet\n)\x81.",  # an object of a class of one's own script
    "nested.pkl": lambda: named("team.nets", "Net.Block"),
    "made.pkl": lambda: named("team.nets", "Net.from_text"),
    "enum.pkl": lambda: named("team.nets", "_Kind.__new__"),
    "path.pkl": lambda: pickle.dumps({"p": frozenset([1]), "c": 1j, "b": bytearray(b"x")}),
    "model.pt": lambda: zipped(**{"archive__data.pkl": pickle.dumps({"w": [1.0]})}),
    "archive.zip": lambda: zipped(**{"readme.txt": b"(words) and no pickle."}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_pickle_of_data_passes(name: str, make_context: Callable[..., Path]) -> None:
    assert check_folder(make_context({name: GOOD[name]()})).findings == ()


def test_models_of_scikit_learn_and_joblib_pass(make_context: Callable[..., Path]) -> None:
    pytest.importorskip("sklearn")
    import cloudpickle
    import joblib
    from sklearn.linear_model import LogisticRegression

    folder = make_context({"readme.md": "models"})
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    (folder / "function.pkl").write_bytes(cloudpickle.dumps(lambda value: value + 1))
    joblib.dump(model, folder / "model.joblib")
    joblib.dump(model, folder / "small.joblib", compress=3)
    report = check_folder(folder)
    assert report.findings == ()
    assert report.not_checked[:1] == ("function.pkl: a pickle with functions by value, whose code was not looked at",)
    assert ("picklescan", pickles.scanner_version()) in report.scanners


def test_by_value_is_what_cloudpickle_writes_and_nothing_else() -> None:
    from cloudpickle import cloudpickle

    for name in ("_make_function", "_make_skeleton_class", "_make_cell", "subimport", "_builtin_type"):
        assert hasattr(cloudpickle, name)
        assert pickles.is_own_code(f"cloudpickle.cloudpickle.{name}")
    for name in ("cloudpickle.cloudpickle.sys", "cloudpickle.cloudpickle.builtins.eval", "cloudpickle.loads",
                 "cloudpickle.cloudpickle._make_function.__globals__", "__main__.os.system", "__main__.",
                 "__main__.__builtins__", "__main__x.Net"):  # fmt: skip
        assert not pickles.is_own_code(name)
    assert pickles.is_own_code("__main__.Net")


def test_a_keras_model_with_code_in_it_is_refused(make_context: Callable[..., Path]) -> None:
    layer = {"class_name": "Lambda", "config": {"function": ["4wEAAAA="]}}
    good = {"class_name": "Functional", "config": {"layers": [{"class_name": "Dense"}]}}
    bad = {"class_name": "Functional", "config": {"layers": [layer]}}
    folder = make_context(
        {
            name: zipped(**{"config.json": json.dumps(value).encode()})
            for name, value in (("a.keras", good), ("b.keras", bad))
        }
    )
    assert [(item.path, item.level) for item in check_folder(folder).findings] == [("b.keras", "refuse")]


def test_it_is_allowed_by_name_and_nothing_else(
    make_context: Callable[..., Path], repository: LayoutRepository
) -> None:
    folder = make_context({"m.pkl": evil(), "Kitfile": "manifestVersion: 1.0.0\nmodel: {path: m.pkl}\n"})
    with pytest.raises(GateRefusedError):
        pack(folder, repository, tag="v1", gate_rules=GateRules(allow_content=("n.pkl=other",)))
    packed = pack(folder, repository, tag="v1", gate_rules=GateRules(allow_content=("m.pkl=looked at",)))
    assert "allowed: looked at" in "".join(packed.warnings)
    found = scan(repository, inspect(repository, "v1"))
    assert [item.rule for item in found.refused] == ["dangerous-pickle"]


def test_nothing_is_imported_from_the_folder_that_is_looked_at(
    make_context: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_context({"m.pkl": evil(), "picklescan.py": "open('ran', 'w')", "json.py": "open('ran', 'w')"})
    monkeypatch.chdir(folder)
    assert [item.rule for item in check_folder(folder).findings] == ["dangerous-pickle"]
    assert not (folder / "ran").exists()


def test_without_the_extra_a_pickle_is_said_not_to_be_looked_into(make_context: Callable[..., Path]) -> None:
    report = check_folder(make_context({"m.pkl": evil()}), GateRules(use_scanner=False))
    assert (report.findings, report.not_checked) == ((), ("m.pkl: a pickle, whose code was not looked at",))


def test_what_takes_too_much_is_not_passed_as_looked_at(
    make_context: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_context({"m.pkl": pickle.dumps([str(number) for number in range(50_000)])})
    program = folder / "kills-itself"
    program.write_text(f"#!{sys.executable}\nimport os; os.kill(os.getpid(), 9)\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))  # as the kernel does where memory is over
    assert any("m.pkl: a pickle" in item for item in check_folder(folder).not_checked)
