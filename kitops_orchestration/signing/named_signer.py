"""What signs, by its name: a key file, a key in a service, or the identity of the workflow that this runs in.

For the command line, the Airflow connection and the Dagster resource, which take the same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.signing.keys import load_private_key
from kitops_orchestration.signing.keys.service import is_key_uri, open_key

if TYPE_CHECKING:
    from pathlib import Path

    from kitops_orchestration.signing.keys import Signer

KEYLESS = "keyless:"
"""Before the path of a client trust configuration."""


def open_named_key(name: str, password: str | bytes | None = None, *, password_env: str | None = None) -> Signer:
    """Return what signs by a URI, or keyless (``keyless:FILE``); nothing is taken for the path of a key.

    Raises:
        SignatureError: it names no key, or the configuration cannot be read.
        SigningServiceUnavailableError: the service does not answer.
        MissingExtraError: the extra is not installed.
    """
    if name.startswith(KEYLESS):
        from kitops_orchestration.signing.keyless.sign import KeylessSigner

        return KeylessSigner.of(name.removeprefix(KEYLESS))
    return open_key(name, password, password_env=password_env)


def open_signer(
    source: Path | str | bytes, password: str | bytes | None = None, *, password_env: str | None = None
) -> Signer:
    """Return what signs: as :func:`open_named_key`, or a private key as :func:`load_private_key` reads it.

    Raises:
        SignatureError: no key there, or one that cannot sign; the message says which of the things it is.
        SigningServiceUnavailableError: the service does not answer.
        MissingExtraError: the extra is not installed.
    """
    if isinstance(source, str) and (source.startswith(KEYLESS) or is_key_uri(source)):
        return open_named_key(source, password, password_env=password_env)
    return load_private_key(source, password, password_env=password_env)
