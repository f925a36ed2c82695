"""Which data of a run is packed: said for each dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Dataset, DatasetInput

from kitops_orchestration.cli.main import main
from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.export import export_run


def test_each_dataset_has_a_choice_of_its_own(
    tracking: Any, add_model: Any, repository: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = tracking.client
    run = client.create_run(tracking.experiment_id).info.run_id
    for name in ("train", "test", "gone"):
        (tmp_path / f"{name}.csv").write_text(f"{name}\n1\n")
        source = json.dumps({"uri": (tmp_path / f"{name}.csv").as_uri()})
        client.log_inputs(run, [DatasetInput(Dataset(name, f"d-{name}", "local", source))])
    (tmp_path / "gone.csv").unlink()
    add_model(run, "clf", {})
    client.set_terminated(run)

    def copied(**options: Any) -> dict[str, bool]:
        return {item.name: item.path is not None for item in export_run(run, repository, **options).record.inputs}

    assert copied(datasets={"train": "copy"}) == {"gone": False, "test": False, "train": True}
    left = export_run(run, repository, datasets={"*": "copy", "train": "reference"})
    assert {item.name: item.path is not None for item in left.record.inputs} == {
        "gone": False, "test": True, "train": False,
    }  # fmt: skip
    assert [text.split(":")[0] for text in left.warnings if "stays a reference" in text] == [
        "dataset 'gone' stays a reference"
    ]
    with pytest.raises(RunExportError, match="no dataset could be copied: 'gone'"):
        export_run(run, repository, datasets={"gone": "copy"})
    with pytest.raises(RunExportError, match="the run has no dataset 'trian'") as raised:
        export_run(run, repository, datasets={"trian": "copy"})
    assert raised.value.advice == "its datasets are gone, test, train"
    target = f"file://{tmp_path}/by-cli/clf:v1"
    with pytest.raises(SystemExit) as done:
        main(["export-run", run, "-t", target, "--datasets", "copy", "--datasets", "gone=reference", "--json"])
    assert done.value.code == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []
    with pytest.raises(SystemExit) as refused:
        main(["export-run", run, "-t", target, "--datasets", "all"])
    assert refused.value.code == 2
