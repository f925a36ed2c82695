"""How a component names a registry: the same fields everywhere, secrets by the name of their variable."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

import dagster as dg
from pydantic import Field

from dagster_kitops.resources import AnonymousAuth, BasicAuth, DockerConfigAuth, KitOpsResource, TokenAuth


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
    scratch_dir: str | None = Field(default=None, description="Where steps unpack.")

    def resource(self) -> KitOpsResource:
        """Return the resource that these fields describe."""
        return KitOpsResource(
            registry=self.registry,
            namespace=self.namespace,
            auth=self._auth(),
            plain_http=self.plain_http,
            ca_bundle=self.ca_bundle,
            scratch_dir=self.scratch_dir,
        )

    def _auth(self) -> AnonymousAuth | BasicAuth | TokenAuth | DockerConfigAuth:
        if self.username is not None and self.password_env_var is not None:
            return BasicAuth(username=self.username, password=dg.EnvVar(self.password_env_var))
        if self.token_env_var is not None:
            return TokenAuth(token=dg.EnvVar(self.token_env_var))
        return AnonymousAuth() if self.anonymous else DockerConfigAuth()
