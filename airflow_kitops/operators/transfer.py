"""KitPushOperator and KitPullOperator: a ModelKit moves between a folder registry and a registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops.operators.kit_operator import KitProducingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class _KitCopyOperator(KitProducingOperator):
    template_fields: Sequence[str] = (*KitProducingOperator.template_fields, "source", "destination")

    def __init__(
        self, *, source: str | Mapping[str, Any], destination: str, referrers: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.destination = destination
        self.referrers = referrers


class KitPushOperator(_KitCopyOperator):
    """Push a ModelKit from a folder registry to a registry; blobs already there do not move again.

    :param source: reference, or the mapping that another task returned.
    :param destination: reference of the repository; without a tag the source's tag is kept.
    :param referrers: take signatures and other evidence along.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``movedBytes``, ``blobsCopied``,
        ``blobsSkipped``, ``blobsMounted``.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Push and return where the ModelKit is now."""
        return self.announce(
            context, results.copied(self.hook.client.push(self.source, self.destination, referrers=self.referrers))
        )


class KitPullOperator(_KitCopyOperator):
    """Pull a ModelKit from a registry into a folder registry; blobs already there do not move again.

    :param source: reference, or the mapping that another task returned.
    :param destination: reference in a folder registry that the tasks after this one can reach too.
    :param referrers: take signatures and other evidence along.
    :return: as :class:`KitPushOperator`.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Pull and return where the ModelKit is now."""
        return self.announce(
            context, results.copied(self.hook.client.pull(self.source, self.destination, referrers=self.referrers))
        )
