"""MLflowResource: one MLflow server and who speaks to it, as Dagster configures them."""

# No `from __future__ import annotations`: Dagster reads the field annotations of resources.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from dagster_kitops._errors import translated

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge import TrackingServer


class MLflowResource(dg.ConfigurableResource):  # type: ignore[type-arg] # the resource is its own value
    """An MLflow server.

    The credentials go to this server alone, by MLflow's own client, and are in no variable of the process::

        MLflowResource(tracking_uri="https://mlflow.example", token=dg.EnvVar("MLFLOW_TOKEN"))

    For code of your own: ``with mlflow.signed_in() as tracking_uri: MlflowClient(tracking_uri)...``
    """

    tracking_uri: str | None = Field(
        default=None, description="The server, or a database; unset: what MLflow itself is configured with."
    )
    username: str | None = Field(default=None, description="User name; needs password.")
    password: str | None = Field(
        default=None, repr=False, description="Give an EnvVar: a literal would be shown in the UI."
    )
    token: str | None = Field(
        default=None, repr=False, description="A bearer token. Give an EnvVar: a literal would be shown in the UI."
    )
    verify_tls: bool = Field(default=True, description="Check the server's certificate.")
    ca_bundle: str | None = Field(default=None, description="File with the certificates to trust.")
    client_certificate: str | None = Field(default=None, description="File with the certificate and key to show.")

    def get_server(self) -> "TrackingServer | None":
        """Return the core's value; ``None`` without a ``tracking_uri``.

        Raises:
            dagster.Failure: credentials that cannot be meant.
        """
        from kitops_orchestration.errors import OptionError
        from kitops_orchestration.mlflow_bridge import TrackingServer

        with translated():
            if self.tracking_uri is None:
                if self.username or self.password or self.token:
                    raise OptionError(
                        "the MLflowResource has credentials and no tracking_uri", advice="say which server they are for"
                    )
                return None
            return TrackingServer(
                self.tracking_uri,
                username=self.username,
                password=self.password,
                token=self.token,
                verify_tls=self.verify_tls,
                ca_bundle=self.ca_bundle,
                client_certificate=self.client_certificate,
            )

    @contextmanager
    def signed_in(self) -> Iterator[str | None]:
        """Speak to MLflow as the resource says, and return its tracking URI; ``None`` where it names none."""
        server = self.get_server()
        if server is None:
            yield None
            return
        with server.signed_in():
            yield server.uri
