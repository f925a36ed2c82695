"""Copying of manifest graphs between repositories: push, pull, mirror and promote are all this.

Blobs first, then manifests, and the tag last.

Used by ``client``, ``modelkit``, ``oci``, ``promotion``: ``graph`` (copy, CopyOptions, CopyResult, Judged).

    >>> from kitops_orchestration.oci import copy
    >>> copy(source, "v1", destination, tag="v1")  # doctest: +SKIP
"""
