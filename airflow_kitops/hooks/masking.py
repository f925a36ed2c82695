"""Tell Airflow's log masker every secret that a registry's credential turns into."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_kitops._compat import mask_secret, speaking_alone, tell_masked, triggerer_channel
from airflow_kitops.hooks.event_loop import to_its_end

if TYPE_CHECKING:
    from kitops_orchestration.oci.auth.credentials import Credential, CredentialSource
    from kitops_orchestration.oci.reference import Reference

_LONGEST_WAIT_SECONDS = 10.0
"""A loop that is blocked hears of a secret later; who waits for it longer might be what blocks it."""


def secret_lines(secret: str | None) -> list[str]:
    """Return every line of a secret: a log is masked line by line, and a key in PEM form has many."""
    lines = (line.strip() for line in (secret or "").splitlines())
    return [line for line in lines if line and not line.startswith("-----")]


def mask(*secrets: Any) -> None:
    """Have secrets masked; in an event loop :func:`amask` does."""
    if found := [secret for secret in secrets if secret]:
        with speaking_alone():
            mask_secret(found)


async def amask(*secrets: Any) -> None:
    """Have secrets masked in an event loop, without blocking it."""
    found = [secret for secret in secrets if secret]
    channel = triggerer_channel()
    if channel is None:
        await asyncio.to_thread(mask, *found)
    elif found:
        await to_its_end(tell_masked(channel, found))


class Masker:
    """Has secrets masked, by whatever thread has them.

    A triggerer speaks with its supervisor, who writes the logs, in its event loop alone: before Airflow 3.3 a thread
    that speaks as well takes answers away from the loop, and the triggerer ends.  So a thread there hands its secrets
    to the loop, and goes on when they are told.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def work_for(self, loop: asyncio.AbstractEventLoop) -> None:
        """Remember the loop whose work goes on in threads."""
        self._loop = loop

    def mask(self, *secrets: str | None) -> None:
        """Have secrets masked before anything else is logged."""
        loop = self._loop
        if loop is None or triggerer_channel() is None or _runs_here(loop):
            mask(*secrets)
            return
        telling = amask(*secrets)
        try:
            told = asyncio.run_coroutine_threadsafe(telling, loop)
        except RuntimeError:  # the loop is closed, the triggerer ends, and nobody is there who could be told
            telling.close()
            return
        with suppress(TimeoutError, CancelledError):
            told.result(_LONGEST_WAIT_SECONDS)


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class MaskedCredentials:
    """A source of credentials whose secrets do not show in a task's log.

    Airflow masks a connection's own fields by itself.  It cannot know what a credential helper answers, the
    Basic header that a password becomes, or a token that the registry gives.

    :param mask_by: has secrets masked; called in the thread that asks the registry.
    """

    def __init__(self, source: CredentialSource, mask_by: Callable[..., None] = mask) -> None:
        self._source = source
        self._mask = mask_by
        self.token_realms: tuple[str, ...] = tuple(getattr(source, "token_realms", ()))

    def lookup(self, reference: Reference) -> Credential | None:
        """Look up in the source, and have the answer masked."""
        found = self._source.lookup(reference)
        if found is not None:
            header = (found.basic or "").removeprefix("Basic ")
            self._mask(found.password, found.identity_token, found.access_token, header)
        return found

    def minted(self, token: str) -> None:
        """Have a token masked that the registry gave for a credential."""
        self._mask(token)

    def __repr__(self) -> str:
        return f"MaskedCredentials({self._source!r})"
