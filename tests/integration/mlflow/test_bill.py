"""The libraries in a bill of materials are those that MLflow itself wrote beside the model."""

from __future__ import annotations

import re
from typing import Any

import mlflow

from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.projections.libraries import libraries
from kitops_orchestration.mlflow_bridge.export import export_run


def written_by_mlflow(text: str) -> set[str]:
    """Name and exact version of each line, read by nobody's code of ours."""
    return {line.strip().lower().replace("_", "-") for line in text.splitlines() if line.strip()}


def as_lines(found: Any) -> set[str]:
    pip = [item for item in found if item.ecosystem == "pypi"]
    return {f"{item.name}=={item.version}" if item.version else f"{item.name}{item.wanted}" for item in pip}


def test_a_bill_names_what_requirements_and_conda_of_a_real_export_name(
    tracking: Any, repository: Any, classifier: Any
) -> None:
    with mlflow.start_run() as run:
        pinned = ["scikit-learn==1.5.2", "numpy>=1.26,<3", "cloudpickle==3.1.0"]
        mlflow.sklearn.log_model(classifier, name="clf", pip_requirements=pinned)
    export_run(run.info.run_id, repository, tag="v1", tracking_uri=tracking.uri, attach_lineage=False)
    (place,) = [path.parent for path in tracking.artifact_dir.rglob("requirements.txt")]
    wanted = written_by_mlflow((place / "requirements.txt").read_text())
    assert any(line.startswith("mlflow==") for line in wanted)  # MLflow added itself
    assert wanted > {"scikit-learn==1.5.2"}

    found = passport(repository, "v1", reads_requirements=True)
    assert found.version.lineage.provenance is None  # so it is the layer that is read
    assert as_lines(libraries(found).named) == wanted
    conda = (place / "conda.yaml").read_text()
    (python,) = [item for item in libraries(found).named if (item.ecosystem, item.name) == ("conda", "python")]
    assert python.wanted == re.search(r"python(=[0-9.]+)", conda)[1]

    export_run(run.info.run_id, repository, tag="v2", tracking_uri=tracking.uri)
    with_statement = passport(repository, "v2")
    assert with_statement.version.lineage.provenance is not None
    assert as_lines(libraries(with_statement).named) == wanted
