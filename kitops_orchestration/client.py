"""KitClient: the verbs bound to one registry, one set of credentials and one set of limits.

This is what the Airflow hook and the Dagster resource hold.  It decides nothing: each method resolves its
references, opens the repositories and calls one verb of the core.

    >>> client = KitClient("file:///tmp/models")
    >>> client.reference("team/iris:v1")
    Reference(registry='file:///tmp/models', repository='team/iris', tag='v1', digest=None)
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.lineage.attach import Attached
    from kitops_orchestration.lineage.questions import Lineage
    from kitops_orchestration.lineage.statements import Statement
    from kitops_orchestration.mlflow_bridge.export import ExportResult
    from kitops_orchestration.modelkit.diff import ModelKitDiff
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.modelkit.unpack import UnpackResult
    from kitops_orchestration.oci.copy import CopyResult
    from kitops_orchestration.oci.credentials import CredentialSource
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.oci.transport import TlsOptions
    from kitops_orchestration.promotion.promote import PromotionResult
    from kitops_orchestration.signing.keys import Signer


@dataclass(frozen=True, slots=True)
class Copied:
    """A ModelKit after it moved: where it is now, pinned, and what had to move."""

    reference: Reference
    copy: CopyResult


class KitClient:
    """The verbs of the core, bound.

    Args:
        registry: completes references that name none: ``host[:port]`` or ``file:///folder``.
        credentials: where to look credentials up; Docker's configuration when ``None``.
        plain_http: ``None`` allows HTTP without TLS for loopback hosts only.
        tls: verification and client certificates.
        limits: bounds on connections, waiting and memory.
        progress: called from worker threads with every step of every blob.
        cancel: set this event to stop running transfers within a second; nothing half-written stays.

    Not one method keeps state, so a client may be shared by threads.
    """

    def __init__(
        self,
        registry: str | None = None,
        *,
        credentials: CredentialSource | None = None,
        plain_http: bool | None = None,
        tls: TlsOptions | None = None,
        limits: Limits | None = None,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
    ) -> None:
        self.registry = registry.rstrip("/") if registry else None
        self.limits = limits or Limits()
        self.cancel = cancel
        self._credentials = credentials
        self._plain_http = plain_http
        self._tls = tls
        self._progress = progress

    def __repr__(self) -> str:
        return f"KitClient({self.registry!r})"

    # -- references and repositories

    def reference(self, text: str | Reference) -> Reference:
        """Parse a reference; one without a registry is taken to be in this client's."""
        return text if isinstance(text, Reference) else Reference.parse(text, registry=self.registry)

    def repository(self, reference: str | Reference) -> Repository:
        """Open the repository that a reference names; no request is made yet."""
        from kitops_orchestration.oci.schemes import open_repository

        return open_repository(
            self.reference(reference).without_target(),
            credentials=self._credentials,
            plain_http=self._plain_http,
            tls=self._tls,
            limits=self.limits,
        )

    def resolve(self, reference: str | Reference) -> Reference:
        """Return the reference pinned by the digest that it points at now."""
        where = self.reference(reference)
        return where.with_digest(self.repository(where).resolve(where.target).digest)

    def check(self) -> None:
        """Ask the registry whether it is there and takes the credentials; raises the error tree's reason."""
        if self.registry is None:
            raise InvalidReferenceError(
                "no registry is configured", advice="give the client, connection or resource a registry"
            )
        next(iter(self.repository("kitops-orchestration-check").tags()), None)

    # -- directory <-> ModelKit

    def pack(self, context_dir: Path | str, reference: str | Reference, **options: Any) -> PackResult:
        """Pack a directory straight into the reference's repository, a folder or a registry.

        ``options`` are those of :func:`kitops_orchestration.modelkit.pack.pack`.
        """
        from kitops_orchestration.modelkit.pack import pack

        where = self.reference(reference)
        return pack(Path(context_dir), self.repository(where), tag=where.tag, **self._moving(options))

    def unpack(self, reference: str | Reference, target_dir: Path | str, **options: Any) -> UnpackResult:
        """Unpack a ModelKit, or the parts that ``filters`` choose, into a directory.

        ``options`` are those of :func:`kitops_orchestration.modelkit.unpack.unpack`.
        """
        from kitops_orchestration.modelkit.unpack import unpack

        where = self.reference(reference)
        return unpack(self.repository(where), where.target, Path(target_dir), **self._moving(options))

    def inspect(self, reference: str | Reference) -> ModelKit:
        """Read manifest and Kitfile; no layer is fetched."""
        from kitops_orchestration.modelkit.inspect import inspect

        where = self.reference(reference)
        return inspect(self.repository(where), where.target)

    def diff(self, left: str | Reference, right: str | Reference) -> ModelKitDiff:
        """Compare two ModelKits by Kitfile and layers; no layer is fetched."""
        from kitops_orchestration.modelkit.diff import diff

        return diff(self.inspect(left), self.inspect(right))

    # -- movement

    def copy(
        self, source: str | Reference, destination: str | Reference, *, referrers: bool = False, **options: Any
    ) -> Copied:
        """Copy a ModelKit to another repository or tag: push, pull and mirror are this one verb.

        A destination without a tag keeps the source's.  ``referrers=True`` takes its evidence along.

        Raises:
            RegistryError: ``side`` says which end failed.
        """
        from kitops_orchestration.oci.copy import copy

        where, to = self.reference(source), self.reference(destination)
        tag = to.tag or where.tag
        result = copy(
            self.repository(where),
            where.target,
            self.repository(to),
            tag=tag,
            referrers=referrers,
            **self._moving(options),
        )
        pinned = Reference(to.registry, to.repository, tag, result.descriptor.digest)
        return Copied(pinned, result)

    def push(self, source: str | Reference, destination: str | Reference, **options: Any) -> Copied:
        """Copy from a folder registry to a registry."""
        return self.copy(source, destination, **options)

    def pull(self, source: str | Reference, destination: str | Reference, **options: Any) -> Copied:
        """Copy from a registry to a folder registry."""
        return self.copy(source, destination, **options)

    def tag(self, reference: str | Reference, tag: str) -> Reference:
        """Point another tag of the same repository at what ``reference`` names; no bytes move."""
        where = self.reference(reference)
        repository = self.repository(where)
        descriptor = repository.resolve(where.target)
        result = where.with_tag(tag).with_digest(descriptor.digest)
        repository.set_tag(tag, descriptor)
        return result

    def tags(self, reference: str | Reference) -> list[str]:
        """List the tags of a repository in lexical order."""
        return list(self.repository(reference).tags())

    # -- MLflow, evidence, promotion

    def export_run(self, source: str, reference: str | Reference, **options: Any) -> ExportResult:
        """Export an MLflow run, logged model or registered version as a ModelKit.

        ``options`` are those of :func:`kitops_orchestration.mlflow_bridge.export.export_run`.

        Raises:
            MissingExtraError: MLflow is not installed.
        """
        from kitops_orchestration.mlflow_bridge.export import export_run

        where = self.reference(reference)
        return export_run(source, self.repository(where), tag=where.tag, **self._moving(options))

    def attach(self, reference: str | Reference, statement: Statement, *, signer: Signer | None = None) -> Attached:
        """Attach a statement to the digest that the reference points at; idempotent."""
        from kitops_orchestration.lineage.attach import attach

        where = self.reference(reference)
        return attach(self.repository(where), where.target, statement, signer=signer)

    def lineage(self, reference: str | Reference) -> Lineage:
        """Answer from the registry alone: data, run, signatures, promotions, deployments."""
        from kitops_orchestration.lineage.questions import lineage

        where = self.reference(reference)
        return lineage(self.repository(where), where.target)

    def promote(
        self,
        reference: str | Reference,
        *,
        stage: str,
        destination: str | Reference | None = None,
        **options: Any,
    ) -> PromotionResult:
        """Copy by digest, evidence along, and move the stage's tag last.

        ``destination`` defaults to the same repository; its tag defaults to the stage's name.
        ``options`` are those of :func:`kitops_orchestration.promotion.promote.promote`.
        """
        from kitops_orchestration.promotion.promote import promote

        where = self.reference(reference)
        to = self.reference(destination) if destination is not None else where.without_target()
        return promote(
            self.repository(where),
            where.target,
            self.repository(to),
            stage=stage,
            tag=to.tag or stage,
            **self._moving(options),
        )

    def _moving(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"limits": self.limits, "progress": self._progress, "cancel": self.cancel, **options}
