"""What is there instead: after a typo the error names the tags of the repository, or the repositories beside it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError, NotFoundError
from kitops_orchestration.oci.reference import Reference

_ABOUT_A_TAG = ("resolve", "fetch manifest", "delete tag", "list tags")
_MOST_SHOWN = 8


def say_what_is_there(client: KitClient, error: NotFoundError) -> None:
    """Put into the error's advice what could have been meant; look-ups that fail leave it as it is."""
    if error.reference is None or not (error.operation or "").startswith(_ABOUT_A_TAG):
        return
    try:
        where = Reference.parse(error.reference).without_target()
        tags = _tags(client.with_limits(retries=0), where)
        if tags:
            error.advice = f"name one of its tags: {_shown(tags)}"
        elif names := repositories_beside(client, where):
            error.advice = f"name a repository that is there: {_shown(names)}"
    except KitOpsError:
        return


def _tags(client: KitClient, where: Reference) -> list[str]:
    try:
        return client.tags(where)
    except NotFoundError:
        return []


def repositories_beside(client: KitClient, where: Reference) -> list[str]:
    """Return the names in the folder where a repository was looked for, the most similar first.

    Nothing for registries: most list their repositories to nobody, and it takes a request.
    """
    if not where.is_folder:
        return []
    found = client.repositories(where.registry)
    names = [item.repository for item in found if item.registry == where.registry]  # none where there is no folder
    close = difflib.get_close_matches(where.repository, names, n=_MOST_SHOWN, cutoff=0.4)
    return [*close, *(name for name in names if name not in close)]


def _shown(names: Sequence[str]) -> str:
    more = len(names) - _MOST_SHOWN
    return ", ".join(names[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
