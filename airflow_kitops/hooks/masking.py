"""Tell Airflow's log masker every secret that a registry's credential turns into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_kitops._compat import mask_secret

if TYPE_CHECKING:
    from kitops_orchestration.oci.auth.credentials import Credential, CredentialSource
    from kitops_orchestration.oci.reference import Reference


def mask_lines(secret: str | None) -> None:
    """Have every line of a secret masked: a log is masked line by line, and a key in PEM form has many."""
    for line in (secret or "").splitlines():
        if line.strip() and not line.startswith("-----"):
            mask_secret(line.strip())


class MaskedCredentials:
    """A source of credentials whose secrets do not show in a task's log.

    Airflow masks a connection's own fields by itself.  It cannot know what a credential helper answers, the
    Basic header that a password becomes, or a token that the registry gives.
    """

    def __init__(self, source: CredentialSource) -> None:
        self._source = source
        self.token_realms: tuple[str, ...] = tuple(getattr(source, "token_realms", ()))

    def lookup(self, reference: Reference) -> Credential | None:
        """Look up in the source, and have the answer masked."""
        found = self._source.lookup(reference)
        if found is not None:
            header = (found.basic or "").removeprefix("Basic ")
            for secret in (found.password, found.identity_token, found.access_token, header):
                if secret:
                    mask_secret(secret)
        return found

    def minted(self, token: str) -> None:
        """Have a token masked that the registry gave for a credential."""
        mask_secret(token)

    def __repr__(self) -> str:
        return f"MaskedCredentials({self._source!r})"
