"""KServe: a ``ClusterStorageContainer`` that understands ``kit://`` and an ``InferenceService`` pinned to a digest."""

from __future__ import annotations

from typing import Any

from kitops_orchestration.deploy.kubernetes import Handoff, tracing_annotations

SCHEME = "kit://"
KSERVE_PATH = "/mnt/models"


def cluster_storage_container(*, image: str, name: str = "kitops", key_secret: str | None = None) -> dict[str, Any]:
    """Return the cluster-wide object that hands ``kit://`` addresses to ``kitctl init-container``.

    KServe requires the container to be called ``storage-initializer`` and passes source and target as the two
    arguments.  Only the model is unpacked, into the root of the target, where runtimes look for it.
    """
    container: dict[str, Any] = {
        "name": "storage-initializer",
        "image": image,
        "command": ["kitctl", "init-container"],
        "env": [{"name": "UNPACK_FILTER", "value": "model"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
    }
    if key_secret:
        source = {"secretKeyRef": {"name": key_secret, "key": "cosign.pub"}}
        container["env"].append({"name": "COSIGN_KEY_TEXT", "valueFrom": source})
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterStorageContainer",
        "metadata": {"name": name},
        "spec": {"container": container, "supportedUriFormats": [{"prefix": SCHEME}]},
    }


def inference_service(handoff: Handoff, *, model_format: str, runtime: str | None = None) -> dict[str, Any]:
    """Return an ``InferenceService`` whose storage address is the ModelKit's digest."""
    model: dict[str, Any] = {"modelFormat": {"name": model_format}, "storageUri": f"{SCHEME}{handoff.pinned}"}
    if runtime:
        model["runtime"] = runtime
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": handoff.name, "annotations": tracing_annotations(handoff)},
        "spec": {"predictor": {"model": model}},
    }
