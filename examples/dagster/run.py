"""Materialize the whole example in one process and tell what happened: ``make demo-dagster``.

Everything is in the folder given as argument, which stays: a second run there moves nothing.  Without one, a temporary
folder is used.
"""

import importlib.util
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path


def load_example():
    path = Path(__file__).with_name("run_to_production.py")
    spec = importlib.util.spec_from_file_location("run_to_production", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settle(folder: Path) -> None:
    """Point MLflow, the registry and Dagster at ``folder``."""
    (folder / "dagster").mkdir(parents=True, exist_ok=True)
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    os.environ["DAGSTER_HOME"] = str(folder / "dagster")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    os.environ["KITOPS_REGISTRY"] = (folder / "registry").as_uri()
    os.chdir(folder)  # MLflow keeps the artifacts of a database store below the working directory


def main(folder: Path) -> None:
    settle(folder)
    import dagster as dg

    from dagster_kitops import latest_metadata, require_modelkit
    from kitops_orchestration import KitClient

    example = load_example()
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    with dg.DagsterInstance.get() as instance:
        job = example.defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, run_config=quiet)
        kit = require_modelkit(instance, "wine_kit")
        staged = require_modelkit(instance, ["wine_kit", "staging"])
        predicted = latest_metadata(instance, "predictions")
        lineage = KitClient().lineage(staged.reference)

    print(f"run        {result.run_id}: {'all steps succeeded' if result.success else 'failed'}")
    print(f"ModelKit   {kit.reference}")
    for row in kit.metadata["kitops/layers"]:
        print(f"  {row['kind']:<9}{row['path']:<22}{row['size_bytes']:>9,} bytes")
    moved = kit.metadata["kitops/uploaded_bytes"]
    print(f"moved      {moved:,} bytes; accuracy {kit.metadata['accuracy']:.3f}")
    checks = result.get_asset_check_evaluations()
    said = ", ".join(f"{check.check_name} ({check.description})" for check in checks)
    print(f"checks     {'passed' if all(check.passed for check in checks) else 'FAILED'}: {said}")
    print(f"staging    {staged.reference.without_target()}, same digest: {staged.digest == kit.digest}")
    print(f"provenance Dagster run {lineage.run['runId'][:8]}, data {', '.join(item.shown for item in lineage.data)}")
    print(f"predicts   {predicted['labels']} with {', '.join(predicted['unpacked'])} alone unpacked")
    names = ("DAGSTER_HOME", "MLFLOW_TRACKING_URI", "KITOPS_REGISTRY")
    setting = " ".join(f"{name}={os.environ[name]}" for name in names)
    program, source = Path(sys.executable).with_name("dagster"), Path(__file__).with_name("run_to_production.py")
    print(f"look on    {setting} {program} dev -f {source}")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
    logging.getLogger("alembic").setLevel(logging.ERROR)
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).absolute())
    else:
        with tempfile.TemporaryDirectory(prefix="kitops-dagster-") as name:
            main(Path(name))
