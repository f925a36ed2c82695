"""Whose tag it is: a tag that a policy's stage owns is moved, or taken away, by that stage's promotion alone.

The repositories that a client opens ask this before a tag moves: promote to another stage, tag, pack, push, copy,
import, remove.  A raw registry client asks nobody; what that leaves behind, the records tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.errors import CheckFailedError, TagOwnedError
from kitops_orchestration.oci.referrers import ANCHOR_PREFIX, CHECKPOINT_PREFIX
from kitops_orchestration.promotion.stage_tag.anchor import stages_of_tag
from kitops_orchestration.promotion.stage_tag.freeze import any_freeze

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository


def require_free(repository: Repository, tag: str) -> None:
    """Raise :class:`TagOwnedError` when a tag is a stage's, or holds what is known of one.

    The tag of a stage that no policy has entered is free, but not while the stage is frozen: :class:`CheckFailedError`.
    """
    name = repository.reference.name
    if tag.startswith(ANCHOR_PREFIX):
        raise TagOwnedError(
            f"{name}:{tag} holds what is known of a stage, and no command moves it",
            advice="leave it: it is a few hundred bytes",
        )
    if tag.startswith(CHECKPOINT_PREFIX):
        raise TagOwnedError(
            f"{name}:{tag} is a witness's checkpoint of the repository, and kitctl checkpoint alone moves it",
            advice="leave it: who took it away would be told",
        )
    stages = stages_of_tag(repository, tag)
    if stages:
        raise TagOwnedError(
            f"{name}:{tag} is the tag of the stage {' and '.join(stages)}, and a promotion alone moves it",
            advice=f"use kitctl promote (or rollback) --stage {stages[0]} --policy …",
        )
    frozen = any_freeze(repository, tag)
    if frozen is not None:
        stage, why = frozen
        raise CheckFailedError(
            f"{name}:{tag} is of the stage {stage}, which is {why}", advice="wait until it is thawed"
        )
