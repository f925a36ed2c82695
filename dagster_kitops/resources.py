"""KitOpsResource: one registry, its credentials and limits, as Dagster configures them."""

# No `from __future__ import annotations`: Dagster reads the field annotations of resources.

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import dagster as dg
from pydantic import Field, PrivateAttr, ValidatorFunctionWrapHandler, WrapValidator

from dagster_kitops._compat import DagsterLibraryRegistry, IntEnvVar
from dagster_kitops._errors import failure, translated
from dagster_kitops.metadata import REPOSITORY_LABEL
from kitops_orchestration._version import __version__
from kitops_orchestration.errors import InvalidReferenceError, KitOpsError, SignatureError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from dagster_kitops.publish import Gate
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.oci.credentials import CredentialSource
    from kitops_orchestration.oci.transport import TlsOptions
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy
    from kitops_orchestration.signing.verify import VerifyResult

_LIMITS = Limits()
DagsterLibraryRegistry.register("kitops-orchestration", __version__, is_dagster_package=False)  # shown by the UI


def _checked_when_known(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Let an ``EnvVar.int`` pass: until the step runs it is a 0, which a bound would refuse."""
    return value if isinstance(value, IntEnvVar) else check(value)


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


class ModelKitSignerResource(dg.ConfigurableResource):  # type: ignore[type-arg] # the resource is its own value
    """A key that signs what steps attach: cosign's encrypted form, PKCS#8 or SEC 1, on P-256."""

    private_key_path: str | None = Field(
        default=None, description="File on the machine that runs the step, or env://NAME of a variable of it."
    )
    private_key_pem: str | None = Field(
        default=None, repr=False, description="The key itself. Give an EnvVar: a literal would be shown in the UI."
    )
    password: str | None = Field(default=None, repr=False, description="Of an encrypted key. Give an EnvVar.")

    def get_signer(self) -> "Signer":
        """Return the core's signer.

        Raises:
            dagster.Failure: no key, or one that cannot be read.
        """
        from kitops_orchestration.signing.keys import load_private_key

        with translated():
            if self.private_key_pem:
                return load_private_key(self.private_key_pem.encode(), self.password)
            if self.private_key_path:
                return load_private_key(self.private_key_path, self.password)
            raise SignatureError(
                "the ModelKitSignerResource has no key",
                advice="give it private_key_pem, an EnvVar, or private_key_path",
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

    registry: str = Field(description="Registry host[:port], or file:///folder for a folder registry.")
    namespace: str = Field(default="", description="Put before repository names that name no registry.")
    auth: AnonymousAuth | BasicAuth | TokenAuth | DockerConfigAuth = Field(
        default=DockerConfigAuth(), discriminator="kind", description="How to authenticate."
    )
    plain_http: bool | None = Field(default=None, description="HTTP instead of HTTPS; unset: only for loopback.")
    verify_tls: bool = Field(default=True, description="Check the registry's certificate.")
    ca_bundle: str | None = Field(default=None, description="File with the certificates to trust.")
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

    attach_provenance: bool = Field(default=True, description="Attach how it was made to each new ModelKit.")
    signer: ModelKitSignerResource | None = Field(default=None, description="Signs what is attached.")
    trust: TrustResource | None = Field(default=None, description="Whose signatures count.")

    _client: "KitClient | None" = PrivateAttr(default=None)

    def get_client(self) -> "KitClient":
        """Return the core's client for this registry; made once per instance."""
        if self._client is None:
            from kitops_orchestration.client import KitClient

            self._client = KitClient(
                self.registry,
                credentials=self._credentials(),
                plain_http=self.plain_http,
                tls=self._tls(),
                limits=self.limits,
            )
        return self._client

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
        from kitops_orchestration.signing.verify import check_signatures

        trust = self.get_trust()
        if trust is None:
            raise dg.Failure(
                description=f"cannot judge the signatures of {reference}: the resource names nobody to trust",
                metadata={"advice": "give KitOpsResource a TrustResource"},
                allow_retries=False,
            )
        return check_signatures(
            self.get_client().repository(reference), reference.target, trust=trust, limits=self.limits
        )

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
        if isinstance(text, Reference):
            return text
        try:
            return Reference.parse(text)
        except InvalidReferenceError:
            with translated():
                prefix = f"{self.namespace.strip('/')}/" if self.namespace.strip("/") else ""
                return Reference.parse(prefix + text, registry=self.registry)

    def place(self, repository: str) -> Reference:
        """Return where a ModelKit goes, as a reference without tag.

        Raises:
            dagster.Failure: the text is outside the grammar, or has a tag or digest, which nobody would heed.
        """
        found = self.reference(repository)
        if found.tag is not None or found.digest is not None:
            raise dg.Failure(
                description=f"not a repository: {repository!r} names a tag or digest",
                metadata={"advice": f"write {found.without_target().repository!r}, and give the tag by itself"},
                allow_retries=False,
            )
        return found

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a new directory of this step's own; it is gone afterwards.

        Raises:
            dagster.Failure: it cannot be made.
        """
        folder = self.scratch_folder()
        try:
            yield Path(folder.name)
        finally:
            folder.cleanup()

    def scratch_folder(self) -> "tempfile.TemporaryDirectory[str]":
        """Make a scratch directory for whoever removes it later.

        Raises:
            dagster.Failure: the folder cannot be written, or its disk is full.
        """
        try:
            return tempfile.TemporaryDirectory(prefix="kitops-", dir=self.scratch_root(), ignore_cleanup_errors=True)
        except OSError as error:
            place = self.scratch_dir or error.filename or "the system's folder for temporary files"
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
        extra_tags: Sequence[str] = (),
        gate: "Sequence[Gate]" = (),
        sign: bool = False,
        **options: Any,
    ) -> dg.MaterializeResult[Any]:
        """Pack what a body made straight into the registry and return its materialization.

        Args:
            context: Of the asset.
            value: A directory, a mapping, a Kitfile or a ``ModelKitContent``.
            key: Which asset of a multi-asset; may be left out where there is one.
            repository: Default: the ``kitops/repository`` in the definition's metadata.
            tag: Default: the partition, or ``latest``.
            extra_tags: More tags.
            gate: Functions that see the content before anything is pushed.
            sign: Sign with the resource's ``signer``, before any tag points at the ModelKit.
            options: Further options of the core's ``pack``.
        """
        from dagster_kitops.publish import Target, publish

        asset_key = dg.AssetKey.from_coercible(key) if key is not None else None
        if repository is None:
            definition = context.assets_def.metadata_by_key[asset_key or context.asset_key]
            repository = definition.get(REPOSITORY_LABEL)
        if repository is None:
            raise dg.DagsterInvalidInvocationError(f"no repository: pass one, or put {REPOSITORY_LABEL} into metadata")
        target = Target(
            repository=repository,
            tag=tag,
            extra_tags=tuple(extra_tags),
            gate=tuple(gate),
            is_signed=sign,
            pack_options=options,
        )
        return publish(context, self, value, target, key=asset_key)

    def _credentials(self) -> "CredentialSource | None":
        from kitops_orchestration.oci.credentials import Credential, StaticCredentials

        host = Reference.parse("any", registry=self.registry).registry
        if isinstance(self.auth, BasicAuth):
            return StaticCredentials({host: Credential(username=self.auth.username, password=self.auth.password)})
        if isinstance(self.auth, TokenAuth):
            return StaticCredentials({host: Credential(access_token=self.auth.token)})
        return StaticCredentials({}) if isinstance(self.auth, AnonymousAuth) else None

    def _tls(self) -> "TlsOptions | None":
        if self.verify_tls and self.ca_bundle is None:
            return None
        from kitops_orchestration.oci.transport import TlsOptions

        return TlsOptions(verify=self.verify_tls, ca_bundle=Path(self.ca_bundle) if self.ca_bundle else None)
