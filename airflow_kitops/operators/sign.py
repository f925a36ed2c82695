"""KitSignOperator and KitVerifyOperator: signatures on the manifest digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops.operators.kit_operator import KitOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitSignOperator(KitOperator):
    """Sign a ModelKit with the connection's key; signing again adds nothing.

    :param reference: reference, or the mapping that another task returned.
    :return: what ``kitctl sign --json`` prints (``key``, ``signatures``), with ``repository`` and ``tag``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference")

    def __init__(self, *, reference: str | Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference

    def execute(self, context: Context) -> dict[str, Any]:
        """Sign and return what was signed."""
        return results.whole(self.hook.client.sign(self.reference))


class KitVerifyOperator(KitOperator):
    """Go on only when enough signatures count, by the connection's trust policy or public key.

    Without a signature, with a wrong one, or without anything to judge by, the task fails and is not retried.

    :param reference: reference, or the mapping that another task returned.
    :return: of what ``kitctl verify --json`` prints all but ``signatures`` (``signers``, ``threshold``, …), with
        ``repository`` and ``tag``; ``reference`` is pinned by the digest that was verified.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference")

    def __init__(self, *, reference: str | Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference

    def execute(self, context: Context) -> dict[str, Any]:
        """Verify and return who signed."""
        return results.verified(self.hook.client.verify(self.reference))
