"""Kubernetes: a Deployment whose init container fetches a ModelKit, verified, into a volume.

The reference is always pinned by digest: what was checked and approved is what the Pod gets.  The container
runs ``kitctl init-container`` with the environment that KitOps' own init image reads (``MODELKIT_REF``,
``UNPACK_PATH``, ``UNPACK_FILTER``, ``COSIGN_KEY``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.modelkit.unpacking.filters import Filter
from kitops_orchestration.oci.reference import Reference

MODEL_VOLUME = "modelkit"
KEY_PATH = "/etc/kitops/cosign.pub"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Handoff:
    """What every manifest needs to know.

    ``image`` is a container image with ``kitctl`` in it; ``key_secret`` names a Secret whose ``cosign.pub`` is
    the public key that the signature is checked with, offline, before anything is unpacked.
    """

    reference: Reference
    name: str
    image: str
    unpack_path: str = "/home/user/modelkit"
    filters: Sequence[str] = ("model",)
    key_secret: str | None = None
    pull_secret: str | None = None
    """A Secret of type kubernetes.io/dockerconfigjson with the registry's credentials."""

    def __post_init__(self) -> None:
        if self.reference.digest is None or self.reference.is_folder:
            raise InvalidReferenceError(
                f"a deployment needs a registry reference with a digest, not {self.reference}",
                advice="resolve the reference first, and push it to a registry that the cluster reaches",
            )
        for item in self.filters:
            Filter.parse(item)
        if not _LABEL.fullmatch(self.name):
            raise InvalidReferenceError(
                f"not a Kubernetes name: {self.name!r}", advice="use at most 63 lower-case letters, digits and '-'"
            )

    @property
    def pinned(self) -> str:
        """``registry/repository@digest``: without the tag, which may move."""
        return f"{self.reference.name}@{self.reference.digest}"

    @property
    def unpack_filter(self) -> str:
        """The filters as ``UNPACK_FILTER`` takes them: types together, as KitOps' image reads it, else one by one."""
        return (" " if any(":" in item for item in self.filters) else ",").join(self.filters)


def tracing_annotations(handoff: Handoff) -> dict[str, str]:
    """Return annotations that lead from an object in the cluster back to the ModelKit."""
    found = {"ml.kitops.orchestration/modelkit": handoff.pinned}
    if handoff.reference.tag:
        found["ml.kitops.orchestration/tag"] = handoff.reference.tag
    return found


def init_container(handoff: Handoff) -> dict[str, Any]:
    """Return the init container: it verifies and unpacks into the volume :data:`MODEL_VOLUME`."""
    env = {
        "MODELKIT_REF": handoff.pinned,
        "UNPACK_PATH": handoff.unpack_path,
        "UNPACK_FILTER": handoff.unpack_filter,
    }
    mounts: list[dict[str, Any]] = [{"name": MODEL_VOLUME, "mountPath": handoff.unpack_path}]
    if handoff.key_secret:
        env["COSIGN_KEY"] = KEY_PATH
        mounts.append({"name": "cosign-key", "mountPath": KEY_PATH.rsplit("/", 1)[0], "readOnly": True})
    if handoff.pull_secret:
        env["DOCKER_CONFIG"] = "/etc/kitops-registry"
        mounts.append({"name": "registry-credentials", "mountPath": "/etc/kitops-registry", "readOnly": True})
    return {
        "name": "modelkit",
        "image": handoff.image,
        "command": ["kitctl", "init-container"],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 1001,
        },
    }


def volumes(handoff: Handoff) -> list[dict[str, Any]]:
    """Return the volumes that :func:`init_container` mounts."""
    found: list[dict[str, Any]] = [{"name": MODEL_VOLUME, "emptyDir": {}}]
    if handoff.key_secret:
        found.append({"name": "cosign-key", "secret": {"secretName": handoff.key_secret}})
    if handoff.pull_secret:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        found.append({"name": "registry-credentials", "secret": {"secretName": handoff.pull_secret, "items": items}})
    return found


def deployment(
    handoff: Handoff,
    *,
    server_image: str,
    port: int = 8080,
    arguments: Sequence[str] = (),
    replicas: int = 1,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return an ``apps/v1`` Deployment: the init container, then a server that finds the model in the volume."""
    own = {"app.kubernetes.io/name": handoff.name, **(labels or {})}
    server = {
        "name": "server",
        "image": server_image,
        **({"args": list(arguments)} if arguments else {}),
        "ports": [{"containerPort": port}],
        "volumeMounts": [{"name": MODEL_VOLUME, "mountPath": handoff.unpack_path, "readOnly": True}],
    }
    pod = {
        "securityContext": {"fsGroup": 1001},
        "initContainers": [init_container(handoff)],
        "containers": [server],
        "volumes": volumes(handoff),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": handoff.name, "labels": own, "annotations": tracing_annotations(handoff)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app.kubernetes.io/name": handoff.name}},
            "template": {"metadata": {"labels": own, "annotations": tracing_annotations(handoff)}, "spec": pod},
        },
    }


def image_volume_pod(handoff: Handoff, *, image_reference: Reference, server_image: str) -> dict[str, Any]:
    """Return a Pod that mounts the image rendition of a ModelKit as an image volume (Kubernetes 1.31 and later).

    ``image_reference`` is what :func:`kitops_orchestration.deploy.image.render_image` pushed: a ModelKit itself
    cannot be mounted, because its layers are not those of an image.
    """
    if image_reference.digest is None:
        raise InvalidReferenceError(f"an image volume needs a digest, not {image_reference}", advice="resolve it first")
    pinned = f"{image_reference.name}@{image_reference.digest}"
    volume = {"name": MODEL_VOLUME, "image": {"reference": pinned, "pullPolicy": "IfNotPresent"}}
    server = {
        "name": "server",
        "image": server_image,
        "volumeMounts": [{"name": MODEL_VOLUME, "mountPath": handoff.unpack_path, "readOnly": True}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": handoff.name, "annotations": tracing_annotations(handoff)},
        "spec": {"containers": [server], "volumes": [volume]},
    }
