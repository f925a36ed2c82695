"""KitOpsHook: one registry of ModelKits behind an Airflow connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_kitops._compat import (
    AirflowNotFoundException,
    BaseHook,
    get_async_connection,
)
from airflow_kitops._errors import airflow_errors, error_text
from airflow_kitops.async_verbs import AsyncVerbs
from airflow_kitops.configuration import default_registry, is_signature_required
from airflow_kitops.connection import ConnectionSettings, StoredConnection, read_connection
from airflow_kitops.evidence_verbs import EvidenceVerbs
from airflow_kitops.hook_lineage import tell_lineage
from airflow_kitops.masking import MaskedCredentials, mask_lines
from airflow_kitops.results import reference_text
from airflow_kitops.task_state import upload_checkpoint
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from kitops_orchestration.client import Copied, KitClient
    from kitops_orchestration.lineage.publish import MakeStatement, Published
    from kitops_orchestration.mlflow_bridge.export import ExportResult
    from kitops_orchestration.mlflow_bridge.import_ import ImportResult
    from kitops_orchestration.mlflow_bridge.write_back import AliasSync
    from kitops_orchestration.modelkit.diff import ModelKitDiff
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.modelkit.unpack import UnpackResult
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.promote import PromotionResult

_NO_ALIAS = ("false", "none", "")


class KitOpsHook(AsyncVerbs, EvidenceVerbs, BaseHook):
    """Pack, move, read and promote ModelKits in the registry that a ``kitops`` connection names.

    Every verb takes references as text; one that names no registry is completed from the connection.  A
    verb's failure is Airflow's: transient errors are retried, permanent ones fail the task at once.
    :attr:`client` is the same without that translation.

    :param kitops_conn_id: the connection; a missing ``kitops_default`` means Docker's own credentials
        and references that name their registry.
    :param cancel: set it to stop a running transfer; nothing half-written stays.
    """

    conn_name_attr = "kitops_conn_id"
    default_conn_name = "kitops_default"
    conn_type = "kitops"
    hook_name = "KitOps registry"

    def __init__(
        self, kitops_conn_id: str = default_conn_name, *, cancel: threading.Event | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kitops_conn_id = kitops_conn_id
        self.cancel = cancel if cancel is not None else threading.Event()

    def __repr__(self) -> str:
        return f"KitOpsHook(kitops_conn_id={self.kitops_conn_id!r})"

    @cached_property
    def settings(self) -> ConnectionSettings:
        """What the connection says."""
        try:
            connection = self.get_connection(self.kitops_conn_id)
        except AirflowNotFoundException:
            if self.kitops_conn_id != self.default_conn_name:
                raise
            return ConnectionSettings(registry=default_registry())
        return _read(connection, connection.extra_dejson)

    @cached_property
    def client(self) -> KitClient:
        """The core's client; its verbs raise the core's own errors."""
        from kitops_orchestration.client import KitClient
        from kitops_orchestration.oci.credentials import DockerConfig

        settings = self.settings
        return KitClient(
            settings.registry,
            credentials=MaskedCredentials(settings.credentials or DockerConfig()),
            plain_http=settings.plain_http,
            tls=settings.tls,
            limits=settings.limits,
            cancel=self.cancel,
            checkpoint=upload_checkpoint(),
        )

    async def aget_client(self) -> KitClient:
        """Return :attr:`client` in an event loop: the connection is fetched without blocking it."""
        if "settings" not in self.__dict__:
            await self._aread_settings()
        return self.client

    async def _aread_settings(self) -> None:
        try:
            connection = await get_async_connection(self.kitops_conn_id)
            # In a thread: reading it has secrets masked, which blocks, and must not block this loop.
            extra = await asyncio.to_thread(getattr, connection, "extra_dejson")
        except AirflowNotFoundException:
            await asyncio.to_thread(getattr, self, "settings")
            return
        self.settings = _read(connection, extra)

    def get_conn(self) -> KitClient:
        """Return :attr:`client`, Airflow's name for it."""
        return self.client

    def follow_alias(self, result: PromotionResult, registered_model: str | bool) -> AliasSync | None:
        """Let the stage's alias in MLflow follow; ``True`` takes the model that the ModelKit names, ``False`` none.

        The promotion is on record already: what goes wrong here is a warning in the log.
        """
        text = str(registered_model).strip()  # a template makes text of everything
        if text.casefold() in _NO_ALIAS:
            return None
        name = None if text.casefold() == "true" else text
        return self.client.follow_alias(result, registered_model=name, warn=self.log.warning)

    def test_connection(self) -> tuple[bool, str]:
        """Ask the registry whether it is there and takes the credentials."""
        try:
            self.client.check()
        except KitOpsError as error:
            return False, error_text(error)
        return True, f"{self.settings.registry or 'Docker configuration'} answers"

    def complete(self, reference: str | Mapping[str, Any]) -> Reference:
        """Return a reference, completed with the connection's registry and namespace where it names none.

        Raises:
            KitOpsError: the text is no reference, or the connection is not what its form says.
        """
        text = reference_text(reference)
        settings, client = self.settings, self.client
        completed = client.reference(text)
        is_given = settings.registry is None or text.startswith(settings.registry)
        if settings.namespace and not is_given and completed.registry == settings.registry:
            return client.reference(f"{settings.namespace}/{text}")
        return completed

    def resolve(self, reference: str | Mapping[str, Any]) -> Reference:
        """Return the reference pinned to the digest it has now."""
        with airflow_errors():
            return self.client.resolve(self.complete(reference))

    def pack(self, context_dir: Path | str, reference: str | Mapping[str, Any], **options: Any) -> PackResult:
        """Pack a folder into ``reference``, which needs a tag; ``options`` are those of the core's ``pack``."""
        with airflow_errors():
            result = self.client.pack(Path(context_dir), self.complete(reference).require_tag(), **options)
            tell_lineage(self, wrote=result.reference)
            return result

    def publish(
        self,
        context_dir: Path | str,
        reference: str | Mapping[str, Any],
        *,
        statement: MakeStatement | None = None,
        sign: bool | None = None,
        **options: Any,
    ) -> Published:
        """Pack a folder, attach what ``statement`` says of it, sign, and move the tags last.

        ``sign=None`` means where the connection has a key.  ``options`` are those of the core's ``pack``.
        """
        with airflow_errors():
            where = self.complete(reference).require_tag()
            is_plain = statement is None and sign is False  # then nobody has to open the key
            signing = {} if is_plain else self.signing(sign)
            result = self.client.publish(Path(context_dir), where, statement=statement, **signing, **options)
            tell_lineage(self, wrote=result.reference)
            return result

    def trusted(self, reference: str | Mapping[str, Any], *, verify: bool | None = None) -> Reference:
        """Return the reference, pinned to the digest whose signatures count where that is asked for.

        ``verify=None`` means as ``[kitops] require_signature`` says.
        """
        if not (is_signature_required() if verify is None else verify):
            return self.complete(reference)
        return self.complete(reference).with_digest(self.verify(reference).digest)

    def unpack(
        self,
        reference: str | Mapping[str, Any],
        target_dir: Path | str,
        *,
        verify: bool | None = None,
        **options: Any,
    ) -> UnpackResult:
        """Unpack a ModelKit, or the parts that ``filters`` name, into a folder; see :meth:`trusted`."""
        with airflow_errors():
            result = self.client.unpack(self.trusted(reference, verify=verify), Path(target_dir), **options)
            tell_lineage(self, read=result.reference)
            return result

    def push(self, source: str | Mapping[str, Any], destination: str, **options: Any) -> Copied:
        """Copy from a folder registry to ``destination``; blobs already there do not move."""
        with airflow_errors():
            result = self.client.push(self.complete(source), self.complete(destination), **options)
            tell_lineage(self, read=self.complete(source), wrote=result.reference)
            return result

    def pull(self, source: str | Mapping[str, Any], destination: str, **options: Any) -> Copied:
        """Copy from a registry to the folder registry of ``destination``."""
        with airflow_errors():
            result = self.client.pull(self.complete(source), self.complete(destination), **options)
            tell_lineage(self, read=self.complete(source), wrote=result.reference)
            return result

    def export_run(
        self, source: str, reference: str | Mapping[str, Any], *, sign: bool | None = False, **options: Any
    ) -> ExportResult:
        """Make a ModelKit of an MLflow run, logged model or registered version; its tags move last.

        ``sign=None`` means where the connection has a key.
        """
        with airflow_errors():
            where, signing = self.complete(reference).require_tag(), self.signing(sign)
            result = self.client.export_run(source, where, **signing, **options)
            tell_lineage(self, wrote=result.reference)
            return result

    def import_model(self, reference: str | Mapping[str, Any], **options: Any) -> ImportResult:
        """Make a ModelKit known to MLflow; with a trust policy only one that is signed as it wants."""
        from kitops_orchestration.mlflow_bridge.import_ import import_modelkit

        with airflow_errors():
            where = self.trusted(reference)
            trust = self.settings.trust_policy
            result = import_modelkit(
                self.client.repository(where),
                where.target,
                trust_policy_path=Path(trust) if trust else None,
                limits=self.settings.limits,
                **options,
            )
            tell_lineage(self, read=result.reference)
            return result

    def tag(self, reference: str | Mapping[str, Any], tag: str) -> Reference:
        """Give the ModelKit one more tag."""
        with airflow_errors():
            return self.client.tag(self.complete(reference), tag)

    def tags(self, repository: str | Mapping[str, Any]) -> list[str]:
        """List the tags of a repository."""
        with airflow_errors():
            return list(self.client.tags(self.complete(repository)))

    def inspect(self, reference: str | Mapping[str, Any]) -> ModelKit:
        """Read a ModelKit's manifest and Kitfile; no layer is fetched."""
        with airflow_errors():
            return self.client.inspect(self.complete(reference))

    def diff(self, left: str | Mapping[str, Any], right: str | Mapping[str, Any]) -> ModelKitDiff:
        """Compare two ModelKits; no layer is fetched."""
        with airflow_errors():
            return self.client.diff(self.complete(left), self.complete(right))


def _read(connection: StoredConnection, extra: Mapping[str, Any]) -> ConnectionSettings:
    settings = read_connection(connection, extra, default_registry=default_registry())
    mask_lines(settings.signing_private_key)
    return settings
