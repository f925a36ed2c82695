"""Helpers for tests of pipelines that use ModelKits: a registry in the process, and small things to put in it.

For users' own tests and for ours; nothing below this floor may use it.

    >>> from kitops_orchestration.testing.registry import EmbeddedRegistry
    >>> with EmbeddedRegistry() as registry:
    ...     registry.reference("team/iris:v1").tag
    'v1'
"""
