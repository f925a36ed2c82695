"""A repository over HTTP: the endpoints of the distribution specification, and what registries make of them.

Everybody else knows the :class:`~kitops_orchestration.oci.repository.Repository` protocol, and opens one by
:func:`~kitops_orchestration.oci.schemes.open_repository`.

Used by ``cli.commands.machine``, ``client``, ``oci``: ``abilities`` (Abilities, keep); ``mirrored`` (OpenPlace,
pulled_from); ``oras_client`` (OrasRegistry); ``probe`` (probe); ``probe_report`` (ProbeReport); ``repository``
(RemoteRepository).

    >>> from kitops_orchestration.oci import Reference, open_repository
    >>> type(open_repository(Reference.parse("registry.example/team/iris"))).__name__
    'RemoteRepository'
"""
