"""KitClient: every verb of the core, bound to what is true of its caller.

This is what the command line, the Airflow hook and the Dagster resource hold.  It decides nothing: each method
completes its references, opens the repositories and calls one verb of the core.

    >>> client = KitClient("file:///tmp/models")
    >>> client.reference("team/iris:v1")
    Reference(registry='file:///tmp/models', repository='team/iris', tag='v1', digest=None)
    >>> KitClient("registry.example", namespace="team").reference("iris:v1").name
    'registry.example/team/iris'
"""

from __future__ import annotations

from kitops_orchestration.client.deployment import DeploymentVerbs
from kitops_orchestration.client.evidence import EvidenceVerbs
from kitops_orchestration.client.mlflow import MlflowVerbs
from kitops_orchestration.client.moving import Copied, MovingVerbs
from kitops_orchestration.client.promotion import PromotionVerbs
from kitops_orchestration.client.registry import RegistryVerbs

__all__ = ["Copied", "KitClient"]


class KitClient(MovingVerbs, EvidenceVerbs, PromotionVerbs, MlflowVerbs, DeploymentVerbs, RegistryVerbs):
    """The verbs of the core, bound.

    Args:
        registry: completes references that name none: ``host[:port]`` or ``file:///folder``.
        namespace: goes between that registry and the repository of such a reference.
        credentials: where to look credentials up; Docker's configuration when ``None``.
        plain_http: ``None`` allows HTTP without TLS for loopback hosts only.
        tls: verification and client certificates.
        proxy: ``http://[user:password@]host:port``, the way to every registry; ``None`` leaves it to ``HTTPS_PROXY``,
            ``HTTP_PROXY`` and ``NO_PROXY``.
        limits: bounds on connections, waiting and memory.
        progress: called from worker threads with every step of every blob.
        cancel: set this event to stop running transfers within a second; nothing half-written stays.
        checkpoint: where uploads of more than one chunk are remembered, so that another process, a retry of a task,
            goes on where this one was interrupted; ``oci.transfer.checkpoint.FileCheckpoint`` keeps them in a file.
        signer: signs what a verb signs or attaches.
        trust: whose signatures count, for every verb that reads evidence.
        key: the key that ``verify`` asks for where there is no ``trust``.
        gate_rules: what may leave a folder that is packed, exported or imported; what a single call wishes can only
            make it stricter where these rules say so.
        memory: where the numbers of checkpoints are remembered, so that one that goes back is told; by default in a
            folder of this machine.
        around: stands around every call of a verb (:class:`~kitops_orchestration.client.verb.VerbCall`).

    ``signer``, ``trust`` and ``key`` may be functions that load them when a verb first needs them.  A verb takes what
    is bound where the call does not say otherwise: ``client.lineage("iris:v1", trust=other)`` judges by ``other``, and
    ``trust=None`` by nobody.

    A client may be shared by threads.
    """
