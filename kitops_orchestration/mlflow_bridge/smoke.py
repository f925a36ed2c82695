"""smoke_test: does the packed model load and predict? The answer is attached to its digest as a test result."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import ModelKitError, TransferCancelledError
from kitops_orchestration.mlflow_bridge.checkout import discard_view, model_root, private_view, unpacked
from kitops_orchestration.mlflow_bridge.mlmodel import read_mlmodel
from kitops_orchestration.mlflow_bridge.registry_policy import verify_trusted
from kitops_orchestration.mlflow_bridge.session import require
from kitops_orchestration.mlflow_bridge.write_back import now
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.lineage.attach import Attached
    from kitops_orchestration.signing.keys import Signer

TEST_NAME = "predicts-on-input-example"
_STEP_SECONDS = 0.1
_CHILD = "kitops_orchestration.mlflow_bridge.predict_example"


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """What came of it."""

    reference: Reference
    is_passed: bool
    error: str | None = None
    rows: int | None = None
    load_seconds: float | None = None
    predict_seconds: float | None = None
    statement: Attached | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the facts for metadata."""
        value = {
            "reference": str(self.reference),
            "result": "PASSED" if self.is_passed else "FAILED",
            "error": self.error,
            "rows": self.rows,
            "load_seconds": self.load_seconds,
            "predict_seconds": self.predict_seconds,
        }
        return {key: item for key, item in value.items() if item is not None}


def smoke_test(
    repository: Repository,
    target: str,
    *,
    trust_policy_path: Path | None = None,
    record: bool = True,
    signer: Signer | None = None,
    timeout_seconds: float = 300.0,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> SmokeTest:
    """Unpack the ModelKit at ``target``, verified, and predict on the input example that was packed with the model.

    The model runs in a process of its own, in this Python environment.  A model that fails is a result
    (``is_passed`` False), not an error.  With ``record`` the result is attached as a test-result statement.

    Raises:
        ModelKitError: there is no MLflow model, or none with an input example.
        SignatureError: the trust policy does not accept the ModelKit; nothing was run.
        MissingExtraError: MLflow is not wholly installed.
        TransferCancelledError: ``cancel`` was set; the model's process has ended and nothing is attached.
    """
    require("a prediction", "mlflow", "pandas")
    descriptor = repository.resolve(target)
    verify_trusted(repository, descriptor.digest, trust_policy_path)
    content = unpacked(repository, descriptor.digest, limits=limits, progress=progress)
    model_dir = model_root(content)
    reference = repository.reference.with_digest(descriptor.digest)
    if not read_mlmodel(model_dir).get("saved_input_example_info"):
        raise ModelKitError(
            f"the model in {reference} has no input example", advice="log it with log_model(..., input_example=...)"
        )
    view = private_view(model_dir)
    try:
        facts = _run(view, timeout_seconds, cancel or threading.Event())
    finally:
        discard_view(view)
    error = facts.get("error")
    attached = _attach(repository, descriptor.digest, facts, signer) if record else None
    return SmokeTest(
        reference,
        error is None,
        error,
        facts.get("rows"),
        facts.get("load_seconds"),
        facts.get("predict_seconds"),
        attached,
    )


def _run(model_dir: Path, timeout_seconds: float, cancel: threading.Event) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kitops-smoke-test-") as scratch:
        result_path = Path(scratch) / "result.json"
        log_path = Path(scratch) / "log.txt"
        command = [sys.executable, "-m", _CHILD, str(model_dir), str(result_path)]
        try:
            with log_path.open("wb") as log:
                code = _exit_code(subprocess.Popen(command, stdout=log, stderr=log), timeout_seconds, cancel)
        except subprocess.TimeoutExpired:
            return {"error": f"no answer within {timeout_seconds:g} s"}
        try:
            result: dict[str, Any] = json.loads(result_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            lines = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            return {"error": f"the process ended with {code}: {' / '.join(lines)}"[:2000]}
        return result


def _exit_code(process: subprocess.Popen[bytes], timeout_seconds: float, cancel: threading.Event) -> int:
    """Wait for a process, which never outlives this call."""
    end = time.monotonic() + timeout_seconds
    with process:
        try:
            while time.monotonic() < end:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(min(_STEP_SECONDS, timeout_seconds))
                if cancel.is_set():
                    raise TransferCancelledError("the smoke test was cancelled", advice="start it again")
            raise subprocess.TimeoutExpired(process.args, timeout_seconds)
        finally:
            process.kill()  # does nothing to one that has ended


def _attach(repository: Repository, digest: str, facts: dict[str, Any], signer: Signer | None) -> Attached:
    from kitops_orchestration.lineage.attach import attach
    from kitops_orchestration.lineage.statements import Metric, TestResult, statement_about

    failed = "error" in facts
    metrics = [
        Metric(name, str(facts[name])) for name in ("load_seconds", "predict_seconds") if facts.get(name) is not None
    ]
    result = TestResult(
        "FAILED" if failed else "PASSED",
        passed_tests=() if failed else (TEST_NAME,),
        failed_tests=(TEST_NAME,) if failed else (),
        metrics=tuple(metrics),
        created_on=now(),
    )
    return attach(repository, digest, statement_about(digest, result), signer=signer)
