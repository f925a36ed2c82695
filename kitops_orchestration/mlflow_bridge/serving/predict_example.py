"""The child of a smoke test: load the model, predict on its own input example, write down what happened.

``python -m kitops_orchestration.mlflow_bridge.serving.predict_example MODEL_DIR RESULT_FILE``

A process of its own, because loading a model runs code, and a crash in a native library is a test's result and
not the end of the worker that asks.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def predict_example(model_dir: str) -> dict[str, Any]:
    """Return rows, times and the type of the answer; raises what the model raises."""
    import mlflow
    from mlflow.models import Model

    started = time.perf_counter()
    model = mlflow.pyfunc.load_model(model_dir)
    loaded = time.perf_counter()
    example = Model.load(model_dir).load_input_example(model_dir)
    answer = model.predict(example)
    done = time.perf_counter()
    return {
        "load_seconds": round(loaded - started, 3),
        "predict_seconds": round(done - loaded, 3),
        "answer_type": f"{type(answer).__module__}.{type(answer).__qualname__}",
        "rows": len(answer) if hasattr(answer, "__len__") else None,
        "input_rows": len(example) if hasattr(example, "__len__") else None,
    }


def main(arguments: list[str]) -> None:
    """Write the result, or the error, as JSON."""
    model_dir, result_path = arguments
    try:
        result = predict_example(model_dir)
    except Exception as error:  # noqa: BLE001 - whatever a model raises is the result
        result = {"error": f"{type(error).__name__}: {error}"[:2000]}
    Path(result_path).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
