"""How a component names a registry: the same fields everywhere, secrets by the name of their variable."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

from typing import Self

import dagster as dg
from pydantic import Field, model_validator

from dagster_kitops.resources import (
    AnonymousAuth,
    BasicAuth,
    DockerConfigAuth,
    KitOpsResource,
    ModelKitSignerResource,
    TokenAuth,
    TrustResource,
)


class RegistryConnection(dg.Model, dg.Resolvable):
    """A registry in YAML.

    Secrets are given as names of environment variables, which are read in the process of the step and never when
    definitions are loaded.
    """

    registry: str = Field(
        description="Registry host[:port], or file:///folder.", examples=["ghcr.io", "localhost:5000"]
    )
    namespace: str = Field(default="", description="Put before repository names.", examples=["acme"])
    username: str | None = Field(default=None, description="User name; needs password_env_var.")
    password_env_var: str | None = Field(
        default=None, description="Name of the variable with the password.", examples=["REGISTRY_PASSWORD"]
    )
    token_env_var: str | None = Field(default=None, description="Name of the variable with a bearer token.")
    anonymous: bool = Field(default=False, description="Use no credentials, not even Docker's.")
    plain_http: bool | None = Field(default=None, description="HTTP instead of HTTPS; unset: only for loopback.")
    ca_bundle: str | None = Field(default=None, description="File with the certificates to trust.")
    verify_tls: bool = Field(default=True, description="Check the registry's certificate.")
    scratch_dir: str | None = Field(default=None, description="Where steps unpack.")
    attach_provenance: bool = Field(default=True, description="Attach how it was made to each new ModelKit.")
    signing_key: str | None = Field(
        default=None,
        description="Private key that signs: env://NAME of a variable with it, or a file where the step runs.",
        examples=["env://RELEASE_KEY"],
    )
    signing_password_env_var: str | None = Field(
        default=None, description="Name of the variable with the key's password.", examples=["COSIGN_PASSWORD"]
    )
    trust_policy: str | None = Field(default=None, description="File that says whose signatures count.")
    trusted_key: str | None = Field(
        default=None, description="The one public key whose signatures count: env://NAME, or a file."
    )

    @model_validator(mode="after")
    def _authenticates_in_one_way(self) -> Self:
        """Refuse half of a way, which would quietly be Docker's credentials instead, and two at a time."""
        if (self.username is None) != (self.password_env_var is None):
            raise ValueError("username and password_env_var belong together: one of them is missing")
        if (self.username is not None) + (self.token_env_var is not None) + self.anonymous > 1:
            raise ValueError("username, token_env_var and anonymous are ways to authenticate: give one of them")
        return self

    def resource(self, *, is_reader: bool = False) -> KitOpsResource:
        """Return the resource that these fields describe; a reader has no key, so that its variable may be unset."""
        return KitOpsResource(
            registry=self.registry,
            namespace=self.namespace,
            auth=self._auth(),
            plain_http=self.plain_http,
            verify_tls=self.verify_tls,
            ca_bundle=self.ca_bundle,
            scratch_dir=self.scratch_dir,
            attach_provenance=self.attach_provenance,
            signer=None if is_reader else self._signer(),
            trust=self._trust(),
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
