"""KitOpsResource: one registry, its credentials and limits, as Dagster configures them."""

# No `from __future__ import annotations`: Dagster reads the field annotations of resources.

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

import dagster as dg
from pydantic import BeforeValidator, Field, PrivateAttr, ValidatorFunctionWrapHandler, WrapValidator

from dagster_kitops._compat import DagsterLibraryRegistry, IntEnvVar
from dagster_kitops._errors import definition_error, failure, translated
from dagster_kitops.checkpoint_memory import InstanceMemory
from dagster_kitops.metadata import REPOSITORY_LABEL
from dagster_kitops.mlflow_resource import MLflowResource
from dagster_kitops.upload_memory import InstanceCheckpoint, step_key
from kitops_orchestration._version import __version__
from kitops_orchestration.disk.hidden_folder import HiddenFolder, scratch_folder
from kitops_orchestration.errors import InvalidReferenceError, KitOpsError, SignatureError
from kitops_orchestration.oci.reference import Reference, require_registry, require_repository
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from dagster_kitops.assets.events import ModelKitEvent
    from dagster_kitops.assets.publish import Gate
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.modelkit.pack import PackOptions
    from kitops_orchestration.modelkit.packing.gate import GateRules
    from kitops_orchestration.oci.auth.credentials import CredentialSource
    from kitops_orchestration.oci.http.tls import RegistryOptions, TlsOptions
    from kitops_orchestration.oci.transfer.checkpoint import Checkpoint
    from kitops_orchestration.promotion import CheckpointMemory
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy
    from kitops_orchestration.signing.verify import VerifyResult

_LIMITS = Limits()
DagsterLibraryRegistry.register("kitops-orchestration", __version__, is_dagster_package=False)  # shown by the UI


def _checked_when_known(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Let an ``EnvVar.int`` pass: until the step runs it is a 0, which a bound would refuse."""
    return value if isinstance(value, IntEnvVar) else check(value)


def checked_registry(value: Any) -> Any:
    """Refuse at definition what names no registry; an ``EnvVar`` is looked at when its value is known."""
    if not isinstance(value, str) or isinstance(value, dg.EnvVar):
        return value
    try:
        return require_registry(value)
    except InvalidReferenceError as error:
        raise definition_error(error, "registry of a KitOpsResource") from None  # the value stays out of the traceback


RegistryName = Annotated[str, BeforeValidator(checked_registry)]
"""``host[:port]``, or ``file:///folder``, and nothing of a password."""


class AnonymousAuth(dg.Config):
    """No credentials, not even those of Docker's configuration."""

    kind: Literal["anonymous"] = "anonymous"


class BasicAuth(dg.Config):
    """User name and password (or an access token that the registry takes as a password)."""

    kind: Literal["basic"] = "basic"
    username: str
    password: str = Field(repr=False, description="Give an EnvVar: a literal would be shown in the UI.")


class TokenAuth(dg.Config):
    """A bearer token that the registry itself accepts."""

    kind: Literal["token"] = "token"  # the name of a kind
    token: str = Field(repr=False, description="Give an EnvVar: a literal would be shown in the UI.")


class DockerConfigAuth(dg.Config):
    """What ``docker login`` and credential helpers left behind on the machine that runs the step."""

    kind: Literal["docker-config"] = "docker-config"


class OtherRegistry(dg.Config):
    """How a registry is reached that is not the resource's own."""

    plain_http: bool | None = Field(default=None, description="HTTP instead of HTTPS; unset: only for loopback.")
    verify_tls: bool = Field(default=True, description="Check the registry's certificate.")
    ca_bundle: str | None = Field(default=None, description="File with the certificates to trust.")

    def options(self) -> "RegistryOptions":
        """Return the core's options."""
        from kitops_orchestration.oci.http.tls import RegistryOptions

        return RegistryOptions(self.plain_http, _tls(self.verify_tls, self.ca_bundle))


class ModelKitSignerResource(dg.ConfigurableResource):  # type: ignore[type-arg] # the resource is its own value
    """A key that signs what steps attach: one that stays in a service or a security module, or a private key."""

    key_uri: str | None = Field(
        default=None, description="awskms:///alias/NAME, gcpkms://…, azurekms://…, hashivault://NAME or pkcs11:…"
    )
    private_key_path: str | None = Field(
        default=None, description="File on the machine that runs the step, or env://NAME of a variable of it."
    )
    private_key_pem: str | None = Field(
        default=None, repr=False, description="The key itself. Give an EnvVar: a literal would be shown in the UI."
    )
    password: str | None = Field(
        default=None, repr=False, description="Of an encrypted key, or the PIN of a token. Give an EnvVar."
    )

    timestamp_url: str | None = Field(
        default=None, description="RFC 3161 authority that stamps what is signed. Unset: the trust policy's, if any."
    )
    timestamp_certificates: str | None = Field(
        default=None, description="Certificates of that authority, its root at least: a PEM file, or the text."
    )

    def get_signer(self) -> "Signer":
        """Return the core's signer.

        Raises:
            dagster.Failure: no key, or one that cannot be read.
        """
        from kitops_orchestration.signing.trusted_time.stamping import stamped_by

        signer = self._signer()
        with translated():
            return stamped_by(signer, self.timestamp_url, self.timestamp_certificates)

    def _signer(self) -> "Signer":
        from kitops_orchestration.signing.keys import load_private_key, load_signer
        from kitops_orchestration.signing.named_signer import open_named_key

        with translated():
            if self.key_uri:
                return open_named_key(self.key_uri, self.password)
            if self.private_key_pem:
                return load_private_key(self.private_key_pem.encode(), self.password)
            if self.private_key_path:
                return load_signer(self.private_key_path, self.password)
            raise SignatureError(
                "the ModelKitSignerResource has no key",
                advice="give it key_uri, private_key_pem, an EnvVar, or private_key_path",
            )


class TrustResource(dg.ConfigurableResource):  # type: ignore[type-arg] # the resource is its own value
    """Whom to believe: a trust policy file, or one public key."""

    policy_path: str | None = Field(default=None, description="Trust policy file.")
    public_key_path: str | None = Field(
        default=None, description="PEM file of the one key to trust, or env://NAME of a variable with it."
    )

    def get_policy(self) -> "TrustPolicy":
        """Return the core's trust policy.

        Raises:
            dagster.Failure: neither file is given, or it cannot be read.
        """
        from kitops_orchestration.signing.keys import load_public_key
        from kitops_orchestration.signing.trust import TrustPolicy

        with translated():
            if self.policy_path is not None:
                return TrustPolicy.load(self.policy_path)
            if self.public_key_path:
                return TrustPolicy.for_key(load_public_key(self.public_key_path))
            raise SignatureError("the TrustResource names nobody", advice="give it policy_path or public_key_path")


class KitOpsResource(dg.ConfigurableResource):  # type: ignore[type-arg] # the resource is its own value
    """A registry for ModelKits.

    ``registry`` is ``host[:port]``, or ``file:///folder`` for a folder registry.  The client is made inside the
    step that uses it; nothing is shared between steps but digests::

        KitOpsResource(
            registry="ghcr.io",
            namespace="acme",
            auth=BasicAuth(username="robot", password=dg.EnvVar("REGISTRY_PASSWORD")),
        )
    """

    registry: RegistryName = Field(description="Registry host[:port], or file:///folder for a folder registry.")
    namespace: str = Field(default="", description="Put before repository names that name no registry.")
    auth: AnonymousAuth | BasicAuth | TokenAuth | DockerConfigAuth = Field(
        default=DockerConfigAuth(), discriminator="kind", description="How to authenticate."
    )
    token_realms: list[str] = Field(
        default=[], description="Hosts of token services at other sites than the registry that may see its credentials."
    )
    plain_http: bool | None = Field(default=None, description="HTTP instead of HTTPS; unset: only for loopback.")
    verify_tls: bool = Field(default=True, description="Check the registry's certificate.")
    ca_bundle: str | None = Field(default=None, description="File with the certificates to trust.")
    registries: dict[str, OtherRegistry] = Field(
        default={}, description="How other registries are reached, by host[:port]; mirrors of registries.conf, too."
    )
    scratch_dir: str | None = Field(default=None, description="Where steps unpack; unset: the system's temp folder.")
    concurrency: Annotated[int, Field(ge=1), WrapValidator(_checked_when_known)] = Field(
        default=_LIMITS.concurrency, description="Blobs moved at the same time."
    )
    retries: int = Field(default=_LIMITS.retries, ge=0, description="Attempts after the first, per request.")
    retry_budget_seconds: float = Field(
        default=_LIMITS.retry_budget_seconds, ge=0, description="Longest wait between attempts, over one operation."
    )
    connect_timeout_seconds: float = Field(default=_LIMITS.connect_timeout_seconds, gt=0)
    silence_timeout_seconds: float = Field(
        default=_LIMITS.silence_timeout_seconds, gt=0, description="Longest wait for the next byte."
    )
    resumes_uploads: bool = Field(
        default=False,
        description="Remember large uploads in the instance: a retry, on any worker, goes on where one broke off.",
    )

    gate_rules: dict[str, Any] = Field(
        default={},
        description="What may leave a folder that is packed, for example {may_allow: false}: then no step allows more.",
    )
    attach_provenance: bool = Field(default=True, description="Attach how it was made to each new ModelKit.")
    signer: ModelKitSignerResource | None = Field(default=None, description="Signs what is attached.")
    trust: TrustResource | None = Field(default=None, description="Whose signatures count.")
    mlflow: MLflowResource | None = Field(
        default=None, description="The MLflow of exports and of aliases that follow; unset: as MLflow is configured."
    )

    _client: "KitClient | None" = PrivateAttr(default=None)
    _client_step: str = PrivateAttr(default="")

    def get_client(self) -> "KitClient":
        """Return the core's client for this registry; made once per instance, and for each
        step where it remembers uploads.

        It signs with the resource's ``signer`` and judges by its ``trust``.  Its verbs raise the core's own errors.
        """
        step = step_key() if self.resumes_uploads else ""
        if self._client is None or step != self._client_step:
            from kitops_orchestration.client import KitClient

            self._client_step = step

            self._client = KitClient(
                self.registry,
                namespace=self.namespace,
                credentials=self._credentials(),
                plain_http=self.plain_http,
                tls=_tls(self.verify_tls, self.ca_bundle),
                registries={host: other.options() for host, other in self.registries.items()},
                limits=self.limits,
                signer=self.get_signer,
                trust=self.get_trust,
                gate_rules=self._gate_rules(),
                memory=self._memory(),
                checkpoint=self._checkpoint(),
            )
        return self._client

    def _memory(self) -> "CheckpointMemory | None":
        """What the instance remembers, where this is used in a run or a sensor; the machine's own memory elsewhere."""
        context = self._state__internal__.resource_context
        instance = context.instance if context is not None else None
        return InstanceMemory(instance) if instance is not None else None

    def _checkpoint(self) -> "Checkpoint | None":
        """Where uploads are remembered: in a run that may be tried again, if anybody wants to go on with them."""
        context = self._state__internal__.resource_context
        run, instance = (context.run, context.instance) if context is not None else (None, None)
        if not self.resumes_uploads or run is None or instance is None:
            return None
        return InstanceCheckpoint(instance, run, step_key())

    def _gate_rules(self) -> "GateRules":
        from kitops_orchestration.modelkit.packing.gate import GateRules

        with translated():
            return GateRules.from_json(self.gate_rules)

    def get_signer(self) -> "Signer | None":
        """Return the signer for statements, where one is configured."""
        return self.signer.get_signer() if self.signer is not None else None

    def get_trust(self) -> "TrustPolicy | None":
        """Return whose signatures count, where that is configured."""
        return self.trust.get_policy() if self.trust is not None else None

    def check_signatures(self, reference: Reference) -> "VerifyResult":
        """Return the verdict on the signatures of ``reference`` by whom ``trust`` names; does not raise for a bad one.

        Raises:
            dagster.Failure: no ``trust`` is configured, so nobody's signature could count.
        """
        trust = self.get_trust()
        if trust is None:
            raise dg.Failure(
                description=f"cannot judge the signatures of {reference}: the resource names nobody to trust",
                metadata={"advice": "give KitOpsResource a TrustResource"},
                allow_retries=False,
            )
        return self.get_client().check_signatures(reference, trust=trust)

    def required_signer(self, reference: Reference) -> "Signer":
        """Return the signer, for what has to be signed.

        Raises:
            dagster.Failure: no ``signer`` is configured.
        """
        signer = self.get_signer()
        if signer is None:
            raise dg.Failure(
                description=f"cannot sign {reference}: the resource has no signer",
                metadata={"advice": "give KitOpsResource a ModelKitSignerResource"},
                allow_retries=False,
            )
        return signer

    @property
    def limits(self) -> Limits:
        """The bounds that the client keeps."""
        return Limits(
            concurrency=self.concurrency,
            connect_timeout_seconds=self.connect_timeout_seconds,
            silence_timeout_seconds=self.silence_timeout_seconds,
            retries=self.retries,
            retry_budget_seconds=self.retry_budget_seconds,
        )

    def reference(self, text: str | Reference) -> Reference:
        """Return ``text`` as a reference; registry and namespace complete what names no registry itself.

        Raises:
            dagster.Failure: the text is outside the grammar.
        """
        with translated():
            return self.get_client().reference(text)

    def place(self, repository: str) -> Reference:
        """Return where a ModelKit goes, as a reference without tag.

        Raises:
            dagster.Failure: the text is outside the grammar, or has a tag or digest, which nobody would heed.
        """
        with translated():
            return self.reference(require_repository(repository))

    @contextmanager
    def signed_in_to_mlflow(self, tracking_uri: str | None = None) -> Iterator[str | None]:
        """Return the tracking URI of a step: what is given, or the resource's ``mlflow``, signed in to it."""
        if self.mlflow is None or tracking_uri is not None:
            yield tracking_uri
            return
        with self.mlflow.signed_in() as uri:
            yield uri

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a new directory of this step's own; it is gone afterwards.

        Raises:
            dagster.Failure: it cannot be made.
        """
        folder = self.scratch_folder()
        try:
            yield folder.path
        finally:
            folder.discard()

    def scratch_folder(self) -> HiddenFolder:
        """Make a scratch directory for whoever removes it later.

        Raises:
            dagster.Failure: the folder cannot be written, or its disk is full.
        """
        try:
            return scratch_folder(self.scratch_root(), "kitops-step")
        except OSError as error:
            place = self.scratch_dir or "the system's folder for temporary files"
            raise failure(
                KitOpsError(
                    f"cannot make a scratch directory in {place}: {error.strerror}",
                    advice="give KitOpsResource a scratch_dir that can be written and has room",
                )
            ) from error

    def scratch_root(self) -> Path | None:
        """Return the folder for scratch directories, made where it is missing; ``None`` is the system's."""
        if self.scratch_dir is None:
            return None
        Path(self.scratch_dir).mkdir(parents=True, exist_ok=True)
        return Path(self.scratch_dir)

    @contextmanager
    def unpack(self, reference: str | Reference, *, filters: Sequence[str] = ()) -> Iterator[Path]:
        """Give a directory with the unpacked ModelKit, or with the layers that ``filters`` select.

        ``filters`` has the Kit CLI's syntax: ``["model"]``, ``["datasets:train"]``.  The directory is gone
        afterwards: copy what has to stay.
        """
        with self.scratch() as folder:
            with translated():
                self.get_client().unpack(self.reference(reference), folder / "kit", filters=filters)
            yield folder / "kit"

    def publish(
        self,
        context: dg.AssetExecutionContext,
        value: Any,
        *,
        key: dg.AssetKey | str | None = None,
        repository: str | None = None,
        tag: str | None = None,
        gate: "Sequence[Gate]" = (),
        sign: bool = False,
        **options: "Unpack[PackOptions]",
    ) -> "ModelKitEvent":
        """Pack what a body made straight into the registry and return its materialization.

        That can be told more: ``publish(...).with_diff("prod").with_metrics().with_passport()``.

        Args:
            context: Of the asset.
            value: A directory, a mapping, a Kitfile or a ``ModelKitContent``.
            key: Which asset of a multi-asset; may be left out where there is one.
            repository: Default: the ``kitops/repository`` in the definition's metadata.
            tag: Default: the partition, or ``latest``.
            gate: Functions that see the content before anything is pushed.
            sign: Sign with the resource's ``signer``, before any tag points at the ModelKit.
            options: Further options of the core's ``pack``; ``extra_tags`` are more tags.
        """
        from dagster_kitops.assets.publish import Target, pack_options_of, publish

        asset_key = dg.AssetKey.from_coercible(key) if key is not None else None
        if asset_key is not None and asset_key not in context.selected_asset_keys:
            chosen = ", ".join(sorted(item.to_user_string() for item in context.selected_asset_keys))
            raise dg.DagsterInvalidInvocationError(
                f"publish was given the key {asset_key.to_user_string()}, and this step makes {chosen}"
            )
        if repository is None:
            definition = context.assets_def.metadata_by_key[asset_key or context.asset_key]
            repository = definition.get(REPOSITORY_LABEL)
        if repository is None:
            raise dg.DagsterInvalidInvocationError(f"no repository: pass one, or put {REPOSITORY_LABEL} into metadata")
        target = Target(
            repository=repository,
            tag=tag,
            extra_tags=tuple(options.pop("extra_tags", ())),
            gate=tuple(gate),
            is_signed=sign,
            pack_options=pack_options_of(options, f"what publish was given for {repository}"),
        )
        return publish(context, self, value, target, key=asset_key)

    def _credentials(self) -> "CredentialSource | None":
        from kitops_orchestration.oci.auth.credentials import Credential, DockerConfig, StaticCredentials

        host = Reference.parse("any", registry=self.registry).registry
        if isinstance(self.auth, BasicAuth):
            found = Credential(username=self.auth.username, password=self.auth.password)
            return StaticCredentials({host: found}, token_realms=self.token_realms)
        if isinstance(self.auth, TokenAuth):
            return StaticCredentials({host: Credential(access_token=self.auth.token)})
        if isinstance(self.auth, AnonymousAuth):
            return StaticCredentials({})
        return DockerConfig(token_realms=self.token_realms) if self.token_realms else None


def _tls(verify: bool, ca_bundle: str | None) -> "TlsOptions | None":
    if verify and ca_bundle is None:
        return None
    from kitops_orchestration.oci.http.tls import TlsOptions

    return TlsOptions(verify=verify, ca_bundle=Path(ca_bundle) if ca_bundle else None)
