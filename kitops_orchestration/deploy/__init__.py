"""Hand-off to deployment: manifests pinned to a digest, a runnable image rendition, an init container.

For the client, the command line and whoever writes manifests.  Everything here turns a pinned reference into what
another system runs; nothing here talks to a cluster.

    >>> from kitops_orchestration.deploy import inference_service
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.deploy.docker import compose as compose
    from kitops_orchestration.deploy.docker import dockerfile as dockerfile
    from kitops_orchestration.deploy.entrypoint import InitRequest as InitRequest
    from kitops_orchestration.deploy.entrypoint import InitResult as InitResult
    from kitops_orchestration.deploy.image import Rendition as Rendition
    from kitops_orchestration.deploy.kserve import cluster_storage_container as cluster_storage_container
    from kitops_orchestration.deploy.kserve import inference_service as inference_service
    from kitops_orchestration.deploy.kubernetes import Handoff as Handoff
    from kitops_orchestration.deploy.kubernetes import deployment as deployment
    from kitops_orchestration.deploy.kubernetes import image_volume_pod as image_volume_pod
    from kitops_orchestration.deploy.kubernetes import init_container as init_container
    from kitops_orchestration.deploy.kubernetes import tracing_annotations as tracing_annotations
    from kitops_orchestration.deploy.kubernetes import volumes as volumes

__all__ = [
    "Handoff",
    "InitRequest",
    "InitResult",
    "Rendition",
    "cluster_storage_container",
    "compose",
    "deployment",
    "dockerfile",
    "image_volume_pod",
    "inference_service",
    "init_container",
    "tracing_annotations",
    "volumes",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "Handoff": "kubernetes",
            "InitRequest": "entrypoint",
            "InitResult": "entrypoint",
            "Rendition": "image",
            "cluster_storage_container": "kserve",
            "compose": "docker",
            "deployment": "kubernetes",
            "dockerfile": "docker",
            "image_volume_pod": "kubernetes",
            "inference_service": "kserve",
            "init_container": "kubernetes",
            "tracing_annotations": "kubernetes",
            "volumes": "kubernetes",
        },
    )
