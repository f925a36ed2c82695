"""Hand-off to deployment: manifests pinned to a digest, a runnable image rendition, an init container.

Everything here turns a pinned reference into what another system runs; nothing here talks to a cluster.

    >>> from kitops_orchestration.deploy.kubernetes import init_container
"""
