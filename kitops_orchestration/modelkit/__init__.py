"""KitOps on top of OCI: Kitfile, layers, pack, unpack, inspect and diff of ModelKits.

Everything here speaks to an :class:`~kitops_orchestration.oci.repository.Repository`, so a folder and a
registry are the same to it.  ``signing``, ``lineage`` and the bridges above may use it; it knows none of them.

    >>> from kitops_orchestration.modelkit.kitfile import Kitfile
    >>> Kitfile.parse("manifestVersion: 1.0.0\\npackage: {name: iris}\\n").package.name
    'iris'
"""
