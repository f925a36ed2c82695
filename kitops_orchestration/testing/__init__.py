"""Helpers for tests of pipelines that use ModelKits: a registry in the process, and small things to put in it.

For users' own tests and for ours; nothing below this floor may use it.

    >>> from kitops_orchestration.testing import EmbeddedRegistry
    >>> with EmbeddedRegistry() as registry:
    ...     registry.reference("team/iris:v1").tag
    'v1'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.testing.assertions import assert_valid as assert_valid
    from kitops_orchestration.testing.builders import make_context_dir as make_context_dir
    from kitops_orchestration.testing.builders import push_bytes as push_bytes
    from kitops_orchestration.testing.builders import push_random_modelkit as push_random_modelkit
    from kitops_orchestration.testing.builders import random_bytes as random_bytes
    from kitops_orchestration.testing.registry.server import EmbeddedRegistry as EmbeddedRegistry

__all__ = [
    "EmbeddedRegistry",
    "assert_valid",
    "make_context_dir",
    "push_bytes",
    "push_random_modelkit",
    "random_bytes",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "EmbeddedRegistry": "registry.server",
            "assert_valid": "assertions",
            "make_context_dir": "builders",
            "push_bytes": "builders",
            "push_random_modelkit": "builders",
            "random_bytes": "builders",
        },
    )
