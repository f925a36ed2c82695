"""What a restored run says of itself in MLflow, and where it keeps the record that it was restored from."""

from __future__ import annotations

from collections.abc import Mapping

RESTORED_PREFIX = "kitops.restored."
RESTORED_DIGEST_TAG = RESTORED_PREFIX + "digest"
RESTORED_FROM_TAG = RESTORED_PREFIX + "from"
RESTORED_RUN_TAG = RESTORED_PREFIX + "runId"
"""The id that the run has where it comes from."""
RESTORED_BEGAN_TAG = RESTORED_PREFIX + "began"
RESTORED_MODEL_TAG = RESTORED_PREFIX + "model"
"""Id of the logged model; written last, when everything is there."""
ORIGIN_DIR = "kitops/origin"
"""Among the run's artifacts."""
REWRITTEN_TAGS = ("mlflow.parentRunId", "mlflow.linkedPrompts", "mlflow.log-model.history", "mlflow.modelVersions")
"""Tags that hold ids of a server: another server has others."""
WRITTEN_PREFIXES = ("kitops.modelkit.", "kitops.stage.", RESTORED_PREFIX)
"""Tags that this package writes into MLflow begin so: what a ModelKit says under these names nobody may believe."""


def restorable(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a packed run, model or version that another server may be given."""
    return {
        key: value for key, value in tags.items() if key not in REWRITTEN_TAGS and not key.startswith(WRITTEN_PREFIXES)
    }
