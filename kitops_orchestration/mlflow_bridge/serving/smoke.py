"""smoke_test: does the packed model load and predict? The answer is attached to its digest as a test result."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.disk.hidden_folder import scratch_folder
from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.mlflow_bridge.runs.mlmodel import read_mlmodel
from kitops_orchestration.mlflow_bridge.runs.session import require
from kitops_orchestration.mlflow_bridge.store.checkout import discard_view, model_root, private_view, unpacked
from kitops_orchestration.mlflow_bridge.store.registry_policy import verify_trusted
from kitops_orchestration.mlflow_bridge.write_back import now
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.attach import Attached
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

TEST_NAME = "predicts-on-input-example"
_STEP_SECONDS = 0.1
_CHILD = "kitops_orchestration.mlflow_bridge.serving.predict_example"


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
        """Return what came of it; what is not known is left out."""
        value = {
            "reference": str(self.reference),
            "digest": self.reference.digest and str(self.reference.digest),
            "result": "PASSED" if self.is_passed else "FAILED",
            "error": self.error,
            "rows": self.rows,
            "loadSeconds": self.load_seconds,
            "predictSeconds": self.predict_seconds,
        }
        return {key: item for key, item in value.items() if item is not None}


class SmokeTestOptions(TypedDict, total=False):
    """What :func:`smoke_test` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    record: bool
    signer: Signer | None
    timeout_seconds: float
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


def smoke_test(
    repository: Repository,
    target: str,
    *,
    trust: TrustPolicy | None = None,
    record: bool = True,
    signer: Signer | None = None,
    timeout_seconds: float = 300.0,
    open_parent: OpenRepository | None = None,
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
    verify_trusted(repository, descriptor.digest, trust, open_parent=open_parent)
    content = unpacked(repository, descriptor.digest, open_parent=open_parent, limits=limits, progress=progress)
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
    with scratch_folder(None, "kitops-smoke-test") as scratch:
        result_path = scratch.path / "result.json"
        log_path = scratch.path / "log.txt"
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
                check_cancelled(cancel, "the smoke test", advice="start it again")
            raise subprocess.TimeoutExpired(process.args, timeout_seconds)
        finally:
            process.kill()  # does nothing to one that has ended


def _attach(repository: Repository, digest: str, facts: dict[str, Any], signer: Signer | None) -> Attached:
    from kitops_orchestration.lineage.statements import Metric, TestResult, statement_about
    from kitops_orchestration.lineage.statements.attach import attach

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
