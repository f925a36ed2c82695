"""How a component names a registry and an MLflow: the same fields everywhere, secrets by the name of their variable."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

import functools
import re
import types
from typing import TYPE_CHECKING, Annotated, Any, Self

import dagster as dg
from dagster_shared.yaml_utils.source_position import SourcePositionTree
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from dagster_kitops._compat import copy_record
from dagster_kitops.mlflow_resource import MLflowResource
from dagster_kitops.resources import (
    AnonymousAuth,
    BasicAuth,
    DockerConfigAuth,
    KitOpsResource,
    ModelKitSignerResource,
    TokenAuth,
    TrustResource,
    checked_registry,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails, InitErrorDetails


def _beside_the_yaml(context: dg.ResolutionContext, value: str | None) -> str | None:
    """Return a file from the folder of the YAML that names it: a step's working folder is another on each machine.

    What is no file (``env://NAME``, ``awskms:///…``, ``pkcs11:…``) and an absolute path stay as they are.
    """
    named: str | None = context.resolve_value(value, as_type=str)
    if named is None or _IS_NO_FILE.match(named):
        return named
    # The folder alone is resolved: the file may be a link that is turned to another one while this runs.
    return str(context.resolve_source_relative_path(".") / named)


_IS_NO_FILE = re.compile(r"[a-z][a-z0-9+]+:")
_File = Annotated[str | None, dg.Resolver(_beside_the_yaml, model_field_type=str | None)]

NOT_SHOWN = "(not shown)"
"""What stands in an error in the place of a value."""


class _RepeatsNothing(BaseModel):
    """Validation whose errors have no value in them: Dagster makes its own errors of these, and shows what is there."""

    @model_validator(mode="wrap")
    @classmethod
    def repeat_nothing(cls, value: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """Read ``value``; raises ``ValidationError`` with a mark in the place of each value."""
        try:
            return read(value)
        except ValidationError as error:
            said = [_without_input(item) for item in error.errors(include_url=False, include_input=False)]
            raise ValidationError.from_exception_data(error.title, said, hide_input=True) from None


def _without_input(item: "ErrorDetails") -> "InitErrorDetails":
    # pydantic puts the validator above into the place, as if it were a part of the file.
    place = tuple(part for part in item["loc"] if "repeat_nothing" not in str(part))
    return {"type": item["type"], "loc": place, "input": NOT_SHOWN, "ctx": item.get("ctx", {})}


class _PlacesAlone(SourcePositionTree):
    """Says in which file and line something is, and shows no line of the file: values stand there."""

    def source_error(self, *arguments: Any, **options: Any) -> Any:
        """Return what Dagster shows, without the lines."""
        return super().source_error(*arguments, **options)._replace(snippet="")


class DiscreetModel(dg.Model, dg.Resolvable):
    """A part of a component whose errors say place and kind, and repeat no value.

    Who writes a password where the name of its variable belongs, does not want to read it in a log.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    @classmethod
    def model(cls) -> type[BaseModel]:
        """Return the model by which Dagster reads YAML: made of the fields, without this class's own configuration."""
        made: type[BaseModel] = super().model()
        return made if issubclass(made, _RepeatsNothing) else _discreet(made)

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> Any:
        """Make the part of what was read; an error names the field, and shows no line of the file."""
        tree = context.source_position_tree
        if tree is not None and not isinstance(tree, _PlacesAlone):
            context = copy_record(context, source_position_tree=_PlacesAlone(tree.position, tree.children))
        return super().resolve_from_model(context, model)


@functools.cache
def _discreet(made: type[BaseModel]) -> type[BaseModel]:
    """Return the same model, which repeats nothing; one for each, as Dagster has one for each class."""
    return types.new_class(made.__name__, (_RepeatsNothing, made), {"hide_input_in_errors": True})


class MLflowServer(DiscreetModel):
    """An MLflow server in YAML; secrets are given as names of environment variables, read in the step."""

    tracking_uri: str | None = Field(
        default=None,
        description="The server; unset: what MLflow itself is configured with.",
        examples=["https://mlflow.example"],
    )
    username: str | None = Field(default=None, description="User name; needs password_env_var.", examples=["ann"])
    password_env_var: str | None = Field(
        default=None, description="Name of the variable with the password.", examples=["MLFLOW_PASSWORD"]
    )
    token_env_var: str | None = Field(
        default=None, description="Name of the variable with a bearer token.", examples=["MLFLOW_TOKEN"]
    )
    verify_tls: bool = Field(default=True, description="Check the server's certificate.", examples=[False])
    ca_bundle: _File = Field(
        default=None,
        description="File with the certificates to trust, from the YAML's folder.",
        examples=["/etc/ssl/mlflow.pem"],
    )

    @model_validator(mode="after")
    def _authenticates_in_one_way(self) -> Self:
        """Refuse half of a way, and two at a time."""
        if (self.username is None) != (self.password_env_var is None):
            raise ValueError("username and password_env_var belong together: one of them is missing")
        if self.username is not None and self.token_env_var is not None:
            raise ValueError("username and token_env_var are ways to authenticate: give one of them")
        return self

    def resource(self) -> MLflowResource:
        """Return the resource that these fields describe."""
        return MLflowResource(
            tracking_uri=self.tracking_uri,
            username=self.username,
            password=dg.EnvVar(self.password_env_var) if self.password_env_var else None,
            token=dg.EnvVar(self.token_env_var) if self.token_env_var else None,
            verify_tls=self.verify_tls,
            ca_bundle=self.ca_bundle,
        )


class RegistryConnection(DiscreetModel):
    """A registry in YAML.

    Secrets are given as names of environment variables, which are read in the process of the step and never when
    definitions are loaded.
    """

    registry: str = Field(
        description="Registry host[:port], or file:///folder.", examples=["ghcr.io", "localhost:5000"]
    )
    namespace: str = Field(default="", description="Put before repository names.", examples=["acme"])
    username: str | None = Field(default=None, description="User name; needs password_env_var.", examples=["robot"])
    password_env_var: str | None = Field(
        default=None, description="Name of the variable with the password.", examples=["REGISTRY_PASSWORD"]
    )
    token_env_var: str | None = Field(
        default=None, description="Name of the variable with a bearer token.", examples=["REGISTRY_TOKEN"]
    )
    anonymous: bool = Field(default=False, description="Use no credentials, not even Docker's.", examples=[True])
    plain_http: bool | None = Field(
        default=None, description="HTTP instead of HTTPS; unset: only for loopback.", examples=[True]
    )
    ca_bundle: _File = Field(
        default=None,
        description="File with the certificates to trust, from the YAML's folder.",
        examples=["/etc/ssl/registry.pem"],
    )
    verify_tls: bool = Field(default=True, description="Check the registry's certificate.", examples=[False])
    scratch_dir: str | None = Field(default=None, description="Where steps unpack.", examples=["/scratch"])
    resumes_uploads: bool = Field(
        default=False,
        description="Remember large uploads in the instance: a retry, on any worker, goes on where one broke off.",
        examples=[True],
    )
    attach_provenance: bool = Field(
        default=True, description="Attach how it was made to each new ModelKit.", examples=[False]
    )
    signing_key: _File = Field(
        default=None,
        description="Key that signs: awskms:///…, env://NAME of a variable, or a file, from the YAML's folder.",
        examples=["awskms:///alias/release", "env://RELEASE_KEY"],
    )
    signing_password_env_var: str | None = Field(
        default=None, description="Name of the variable with the key's password.", examples=["COSIGN_PASSWORD"]
    )
    trust_policy: _File = Field(
        default=None,
        description="File that says whose signatures count, from the YAML's folder.",
        examples=["/etc/modelkits/trust.yaml"],
    )
    trusted_key: _File = Field(
        default=None,
        description="The one public key whose signatures count: env://NAME, or a file, from the YAML's folder.",
        examples=["env://RELEASE_KEY_PUB"],
    )
    mlflow: MLflowServer | None = Field(
        default=None,
        description="The MLflow of exports and of aliases that follow; unset: as MLflow is configured.",
        examples=[{"tracking_uri": "https://mlflow.example", "token_env_var": "MLFLOW_TOKEN"}],
    )

    @field_validator("registry")
    @classmethod
    def _names_a_registry(cls, value: str) -> str:
        """Refuse what names no registry; in the YAML itself a template may stand here, which is filled by now."""
        registry: str = checked_registry(value)
        return registry

    @model_validator(mode="after")
    def _authenticates_in_one_way(self) -> Self:
        """Refuse half of a way, which would quietly be Docker's credentials instead, and two at a time."""
        if (self.username is None) != (self.password_env_var is None):
            raise ValueError("username and password_env_var belong together: one of them is missing")
        if (self.username is not None) + (self.token_env_var is not None) + self.anonymous > 1:
            raise ValueError("username, token_env_var and anonymous are ways to authenticate: give one of them")
        return self

    def resource(self, *, is_reader: bool = False, asks_mlflow: bool = True) -> KitOpsResource:
        """Return the resource that these fields describe.

        A reader has no key, and who asks MLflow nothing has no credentials for it: their variables may be unset.
        """
        return KitOpsResource(
            registry=self.registry,
            namespace=self.namespace,
            auth=self._auth(),
            plain_http=self.plain_http,
            verify_tls=self.verify_tls,
            ca_bundle=self.ca_bundle,
            scratch_dir=self.scratch_dir,
            attach_provenance=self.attach_provenance,
            resumes_uploads=self.resumes_uploads,
            signer=None if is_reader else self._signer(),
            trust=self._trust(),
            mlflow=self.mlflow.resource() if self.mlflow is not None and asks_mlflow else None,
        )

    def _signer(self) -> ModelKitSignerResource | None:
        if self.signing_key is None:
            return None
        password = dg.EnvVar(self.signing_password_env_var) if self.signing_password_env_var else None
        return ModelKitSignerResource(private_key_path=self.signing_key, password=password)

    def _trust(self) -> TrustResource | None:
        if self.trust_policy is None and self.trusted_key is None:
            return None
        return TrustResource(policy_path=self.trust_policy, public_key_path=self.trusted_key)

    def _auth(self) -> AnonymousAuth | BasicAuth | TokenAuth | DockerConfigAuth:
        if self.username is not None and self.password_env_var is not None:
            return BasicAuth(username=self.username, password=dg.EnvVar(self.password_env_var))
        if self.token_env_var is not None:
            return TokenAuth(token=dg.EnvVar(self.token_env_var))
        return AnonymousAuth() if self.anonymous else DockerConfigAuth()
