"""OCI, and only OCI: references, descriptors, manifests, and repositories to keep them in.

Two media implement one protocol, :class:`~kitops_orchestration.oci.repository.Repository`: a layout
directory and a remote registry.  Everything above this floor may use it; not one line here knows models.

    >>> from kitops_orchestration.oci.reference import Reference
    >>> Reference.parse("registry.example/team/iris:v1").tag
    'v1'
"""
