from __future__ import annotations

import importlib
import os
import pickle
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "examples" / "scan_model.py"


def test_the_scan_example_finds_what_is_hidden_and_puts_it_on_record(monkeypatch, capsys) -> None:
    pytest.importorskip("picklescan", reason="the scanner that the example uses; no extra has it")
    monkeypatch.setattr(sys, "argv", [str(SCRIPT)])

    runpy.run_path(str(SCRIPT), run_name="__main__")

    told = capsys.readouterr().out
    assert "team/good:v1: PASSED, 1 files" in told
    assert "dangerous: model.pkl calls posix.system" in told
    assert "On record for bad: urn:kitops-orchestration:predicate:scan:v1, FAILED" in told


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch):
    """The example as a module that its own child processes find as well."""
    pytest.importorskip("picklescan", reason="the scanner that the example uses; no extra has it")
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.delitem(sys.modules, "scan_model", raising=False)
    return importlib.import_module("scan_model")


class Runs:
    """Runs code when it is loaded; here it is only ever pickled."""

    def __reduce__(self):
        return os.system, ("true",)


def test_an_empty_file_is_no_crash_and_hides_nothing(example, tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_bytes(b"")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"weights": [1.0]}))
    report = example.scan(tmp_path)
    assert (report["result"], report["files"], report["notChecked"]) == ("PASSED", 2, [])


def test_what_cannot_be_read_has_not_passed(example, tmp_path: Path) -> None:
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps(list(range(1000)))[:-20])
    report = example.scan(tmp_path)
    assert (report["result"], report["notChecked"]) == ("FAILED", ["cut.pkl"])


def test_what_takes_too_long_has_not_passed(example, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(example, "LONGEST_SECONDS", 0)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"weights": [1.0]}))
    report = example.scan(tmp_path)
    assert (report["result"], report["notChecked"]) == ("FAILED", ["model.pkl"])


def test_danger_beside_what_is_only_suspicious_is_danger(example, tmp_path: Path) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    threshold = 3
    (tmp_path / "own.pkl").write_bytes(cloudpickle.dumps(lambda value: value > threshold))
    report = example.scan(tmp_path)
    assert report["result"] == "WARNED"
    assert {item["safety"] for item in report["findings"]} == {"suspicious"}
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(Runs()))
    report = example.scan(tmp_path)
    assert report["result"] == "FAILED"
    assert [item["file"] for item in report["findings"] if item["safety"] == "dangerous"] == ["bad.pkl"]


@pytest.mark.parametrize(("module", "name"), [("cloudpickle.cloudpickle", "builtins.eval"), ("__main__", "os.system")])
def test_a_dotted_name_behind_ones_own_code_is_danger(example, tmp_path: Path, module: str, name: str) -> None:
    words = b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name))
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04" + words + b"\x93\x8c\x011\x85R.")
    report = example.scan(tmp_path)
    assert (report["result"], [item["safety"] for item in report["findings"]]) == ("FAILED", ["dangerous"])


def test_what_joblib_writes_behind_an_array_is_told_as_not_read(example, tmp_path: Path) -> None:
    joblib, numpy = pytest.importorskip("joblib"), pytest.importorskip("numpy")
    weights = numpy.arange(10_000.0)
    for model, result in (({"weights": weights}, "WARNED"), ({"weights": weights, "more": Runs()}, "WARNED")):
        joblib.dump(model, tmp_path / "model.joblib")
        report = example.scan(tmp_path)
        assert (report["result"], report["partlyChecked"]) == (result, ["model.joblib"])
    joblib.dump({"first": Runs(), "weights": weights}, tmp_path / "model.joblib")
    assert example.scan(tmp_path)["result"] == "FAILED"
