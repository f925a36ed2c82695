"""The client: every verb of the core, bound to one registry, one set of credentials and one set of limits.

The adapters, the command line and users hold a :class:`KitClient`; the floors below never do.

    >>> from kitops_orchestration.client import KitClient
    >>> KitClient("registry.example").reference("team/iris:v1").name
    'registry.example/team/iris'
"""

from kitops_orchestration.client.kit_client import Copied, KitClient

__all__ = ["Copied", "KitClient"]
