"""The client: every verb of the core, bound to what is true of its caller.

The adapters, the command line and users hold a :class:`KitClient`; the floors below never do.  A verb is a method of
the class that its folder's file is named after, and :mod:`~kitops_orchestration.client.verb` is what they all share.

    >>> from kitops_orchestration.client import KitClient
    >>> KitClient("registry.example").reference("team/iris:v1").name
    'registry.example/team/iris'
"""

from kitops_orchestration.client.bound import Named
from kitops_orchestration.client.kit_client import Copied, KitClient
from kitops_orchestration.client.progress_line import ProgressLine
from kitops_orchestration.client.verb import VerbCall, verbs_of

__all__ = ["Copied", "KitClient", "Named", "ProgressLine", "VerbCall", "verbs_of"]
