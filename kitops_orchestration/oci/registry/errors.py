"""A registry's answer as an error of the tree: bounded, and with nothing secret in it.

Source: distribution-spec v1.1, "Error Codes".
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from kitops_orchestration.errors import (
    AccessDeniedError,
    AuthenticationError,
    NotFoundError,
    RegistryError,
    RegistryResponseError,
    RegistryUnavailableError,
)
from kitops_orchestration.oci.http.response import Response
from kitops_orchestration.oci.http.retry import RETRIED_STATUSES, retry_after
from kitops_orchestration.oci.http.url import redacted

_DETAIL_CHARACTERS = 300


def error_codes(content: bytes) -> tuple[str, ...]:
    """Return the specification's codes in an error body, ``()`` when it is not one."""
    return tuple(str(item["code"])[:64] for item in _errors(content) if isinstance(item.get("code"), str))


def error_for(response: Response, *, operation: str, reference: str) -> RegistryError:
    """Return the error that an answer stands for; reads the body and frees the connection."""
    with contextlib.suppress(RegistryUnavailableError):  # the status says enough
        response.load()
    status, said = response.status, _detail(response.content)
    message = f"{operation} {reference}: HTTP {status} from {redacted(response.url)}" + (f" ({said})" if said else "")
    where: dict[str, Any] = {"operation": operation, "reference": reference}
    if status == 401:
        return AuthenticationError(message, advice="log in, or check user name and password", **where)
    if status == 403:
        return AccessDeniedError(message, advice="ask for this right on the repository", **where)
    if status == 404:
        codes = error_codes(response.content)
        return NotFoundError(message, advice="check registry, repository and tag", codes=codes, **where)
    if status in RETRIED_STATUSES:
        seconds = retry_after(response.headers.get("Retry-After"))
        return RegistryUnavailableError(message, retry_after_seconds=seconds, advice="try again later", **where)
    return RegistryResponseError(message, status=status, codes=error_codes(response.content), **where)


def json_object(content: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object out of an answer; raises :class:`RegistryResponseError` when it is none."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RegistryResponseError(f"{what}: the answer is not JSON", status=200) from error
    if not isinstance(value, dict):
        raise RegistryResponseError(f"{what}: the answer is not a JSON object", status=200)
    return value


def _errors(content: bytes) -> list[dict[str, Any]]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return []
    found = value.get("errors") if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _detail(content: bytes) -> str:
    parts = [": ".join(str(item[key]) for key in ("code", "message") if item.get(key)) for item in _errors(content)]
    text = "; ".join(filter(None, parts))
    if not text and not content.lstrip().startswith(b"<"):  # a proxy's HTML page says nothing useful
        text = content.decode("utf-8", "replace")
    clean = "".join(char if char.isprintable() else " " for char in text).strip()
    return clean if len(clean) <= _DETAIL_CHARACTERS else clean[:_DETAIL_CHARACTERS] + "…"
