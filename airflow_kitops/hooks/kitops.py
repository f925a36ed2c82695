"""KitOpsHook: one registry of ModelKits behind an Airflow connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from airflow_kitops._compat import AirflowNotFoundException, BaseHook
from airflow_kitops._errors import airflow_errors, error_text
from airflow_kitops.checkpoint_memory import checkpoint_memory
from airflow_kitops.configuration import default_registry, is_signature_required
from airflow_kitops.hooks.connection import ConnectionSettings, read_connection
from airflow_kitops.hooks.connection_check import require_folder, wrong_part
from airflow_kitops.hooks.event_loop import aread_connection
from airflow_kitops.hooks.lineage import tell_lineage
from airflow_kitops.hooks.masking import MaskedCredentials, Masker, amask, secret_lines
from airflow_kitops.task_state import upload_checkpoint
from airflow_kitops.transfer_log import TransferLog
from kitops_orchestration.errors import KitOpsError, SigningKeyMissingError

if TYPE_CHECKING:
    from kitops_orchestration.client import KitClient, Named, VerbCall
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.signing.keys import PublicKey, Signer
    from kitops_orchestration.signing.trust import TrustPolicy

P = ParamSpec("P")
R = TypeVar("R")


class KitOpsHook(BaseHook):
    """Gives out a client for the registry that a ``kitops`` connection names.

    :attr:`client` has every verb of the core.  The connection completes references that name no registry, its key
    signs, its trust policy judges.  A verb's failure is Airflow's: transient errors are retried, permanent ones fail
    the task at once; what a verb read and wrote is told to Airflow's lineage.  ``client.bare`` is the same without
    either::

        KitOpsHook().client.pack("./iris", "team/iris:v1", compression="zstd")
        await KitOpsHook().run_async(KitClient.tags, "team/iris")

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
        self._masker = Masker()

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
        settings = read_connection(connection, connection.extra_dejson, default_registry=default_registry())
        self._masker.mask(*_key_lines(settings))
        return settings

    @cached_property
    def transfers(self) -> TransferLog:
        """What the client moved, and how far it is; its lines go to the task's log."""
        return TransferLog(self.log)

    @cached_property
    def client(self) -> KitClient:
        """The core's client, with this hook around every verb."""
        from kitops_orchestration.client import KitClient
        from kitops_orchestration.oci.auth.credentials import DockerConfig

        settings = self.settings
        return KitClient(
            settings.registry,
            namespace=settings.namespace,
            credentials=MaskedCredentials(settings.credentials or DockerConfig(), self._masker.mask),
            plain_http=settings.plain_http,
            tls=settings.tls,
            registries=settings.registries,
            limits=settings.limits,
            cancel=self.cancel,
            progress=self.transfers,
            checkpoint=upload_checkpoint(self.transfers),
            signer=lambda: self.signer,
            trust=lambda: self.trust,
            key=lambda: self.public_key,
            around=self._around,
            gate_rules=settings.gate,
            memory=checkpoint_memory(),
        )

    @contextmanager
    def _around(self, call: VerbCall) -> Iterator[None]:
        with airflow_errors(self.kitops_conn_id):
            try:
                yield
            except SigningKeyMissingError as error:
                error.advice = "fill in the connection's signing_private_key"
                raise
            if call.read is not None or call.wrote is not None:
                tell_lineage(self, read=call.read, wrote=call.wrote)

    @cached_property
    def signer(self) -> Signer | None:
        """What signs in this connection's name; ``None`` without a signing key."""
        settings = self.settings
        if settings.signing_private_key is None:
            return None
        from kitops_orchestration.signing.named_signer import open_signer
        from kitops_orchestration.signing.trusted_time.stamping import stamped_by

        signer = open_signer(settings.signing_private_key, settings.signing_private_key_password)
        return stamped_by(signer, settings.timestamp_url, settings.timestamp_certificates)

    @cached_property
    def trust(self) -> TrustPolicy | None:
        """Whose signatures count; ``None`` without a trust policy."""
        if self.settings.trust_policy is None:
            return None
        from kitops_orchestration.signing.trust import TrustPolicy

        return TrustPolicy.load(self.settings.trust_policy)

    @cached_property
    def public_key(self) -> PublicKey | None:
        """The key to verify with where there is no trust policy; ``None`` without one."""
        if self.settings.verification_public_key is None:
            return None
        from kitops_orchestration.signing.keys import load_public_key

        return load_public_key(self.settings.verification_public_key)

    async def run_async(
        self, verb: Callable[Concatenate[KitClient, P], R], *arguments: P.args, **options: P.kwargs
    ) -> R:
        """Call a verb of the client (``KitClient.pack``) in an event loop, without blocking it.

        The connection is fetched by Airflow's asynchronous way, the work is done in a thread.  A task that is
        cancelled does not stop the thread: set the hook's ``cancel`` event for that.
        """
        return await asyncio.to_thread(verb, await self.aget_client(), *arguments, **options)

    async def aget_client(self) -> KitClient:
        """Return :attr:`client` in an event loop: the connection is fetched without blocking it."""
        self._masker.work_for(asyncio.get_running_loop())
        if "settings" not in self.__dict__:
            self.settings = await self._aread_settings()
        return self.client

    async def _aread_settings(self) -> ConnectionSettings:
        try:
            connection, extra = await aread_connection(self.kitops_conn_id)
        except AirflowNotFoundException:
            if self.kitops_conn_id != self.default_conn_name:
                raise
            return ConnectionSettings(registry=default_registry())
        settings = read_connection(connection, extra, default_registry=default_registry())
        await amask(*_key_lines(settings))
        return settings

    def get_conn(self) -> KitClient:
        """Return :attr:`client`, Airflow's name for it."""
        return self.client

    def test_connection(self) -> tuple[bool, str]:
        """Ask the registry whether it is there and takes the credentials; say which of all that is wrong."""
        try:
            client = self.client.bare
        except KitOpsError as error:
            return False, f"connection: {_in_one_line(error)}"
        try:
            require_folder(self.settings.registry)
            client.check()
        except KitOpsError as error:
            return False, f"{wrong_part(error)}: {_in_one_line(error)}"
        return True, f"{self.settings.registry or 'Docker configuration'} answers"

    def trusted(self, reference: Named, *, verify: bool | None = None) -> Reference:
        """Return the reference, pinned to the digest whose signatures count where that is asked for.

        ``verify=None`` means as ``[kitops] require_signature`` says.
        """
        with airflow_errors():
            where = self.client.reference(reference)
        if not (is_signature_required() if verify is None else verify):
            return where
        return where.with_digest(self.client.verify(where).digest)


def _in_one_line(error: KitOpsError) -> str:
    return error_text(error).replace("\n", "; ")  # where the form shows it, a line's end is a blank


def _key_lines(settings: ConnectionSettings) -> list[str]:
    key = settings.signing_private_key
    # The name of a file, or of a key in a service, is no secret.
    return secret_lines(key) if key is not None and "-----BEGIN" in key else []
