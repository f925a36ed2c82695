"""The client: every verb of the core, bound to what is true of its caller.

The adapters, the command line and users hold a :class:`KitClient`; the floors below never do.  A verb is a method of
the class that its folder's file is named after, and :mod:`~kitops_orchestration.client.verb` is what they all share.

    >>> from kitops_orchestration.client import KitClient
    >>> KitClient("registry.example").reference("team/iris:v1").name
    'registry.example/team/iris'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.client.bound import Named as Named
    from kitops_orchestration.client.kit_client import Copied as Copied
    from kitops_orchestration.client.kit_client import KitClient as KitClient
    from kitops_orchestration.client.progress_line import ProgressLine as ProgressLine
    from kitops_orchestration.client.verb import VerbCall as VerbCall
    from kitops_orchestration.client.verb import verbs_of as verbs_of

__all__ = ["Copied", "KitClient", "Named", "ProgressLine", "VerbCall", "verbs_of"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "Copied": "kit_client",
            "KitClient": "kit_client",
            "Named": "bound",
            "ProgressLine": "progress_line",
            "VerbCall": "verb",
            "verbs_of": "verb",
        },
    )
