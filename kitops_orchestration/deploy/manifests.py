"""What another system needs to run a ModelKit, by the name of the system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference

Target = Literal["kubernetes", "kserve", "kserve-storage", "compose", "dockerfile"]
IMAGE = "kitops-orchestration:latest"
SERVER_IMAGE = "python:3.12-slim"
PORT = 8080


class DeployOptions(TypedDict, total=False):
    """What :func:`manifest_for` takes by name and a client or an adapter hands through."""

    name: str | None
    image: str
    server_image: str
    port: int
    replicas: int
    model_format: str
    runtime: str | None
    filters: Sequence[str]
    key_secret: str | None
    pull_secret: str | None


def manifest_for(
    pinned: Reference,
    target: Target,
    *,
    name: str | None = None,
    image: str = IMAGE,
    server_image: str = SERVER_IMAGE,
    port: int = PORT,
    replicas: int = 1,
    model_format: str = "mlflow",
    runtime: str | None = None,
    filters: Sequence[str] = ("model",),
    key_secret: str | None = None,
    pull_secret: str | None = None,
) -> dict[str, Any] | str:
    """Return a Kubernetes object, a Compose file as a mapping, or the text of a Dockerfile.

    Args:
        pinned: the ModelKit, by digest.
        target: who runs it; ``kserve-storage`` is what a cluster needs once, to know ``kit://`` addresses.
        name: of what is deployed; the repository's last part otherwise.
        image: container image that has kitctl in it.
        server_image: container image that serves the model.
        port: of the server.
        replicas: how many (kubernetes).
        model_format: format of the model (kserve).
        runtime: serving runtime (kserve).
        filters: parts to unpack.
        key_secret: Secret whose ``cosign.pub`` must have signed the ModelKit.
        pull_secret: Secret with the registry's credentials.
    """
    from kitops_orchestration.deploy import docker, kserve, kubernetes

    handoff = kubernetes.Handoff(
        pinned,
        name or pinned.repository.rpartition("/")[2].replace(".", "-").replace("_", "-"),
        image,
        filters=tuple(filters) or ("model",),
        key_secret=key_secret,
        pull_secret=pull_secret,
    )
    if target == "kubernetes":
        return kubernetes.deployment(handoff, server_image=server_image, port=port, replicas=replicas)
    if target == "kserve":
        return kserve.inference_service(handoff, model_format=model_format, runtime=runtime)
    if target == "kserve-storage":
        return kserve.cluster_storage_container(image=handoff.image, key_secret=handoff.key_secret)
    if target == "compose":
        return docker.compose(handoff, server_image=server_image, port=port)
    return docker.dockerfile(handoff, server_image=server_image)
