"""The verbs of ``kitctl``, one module each, in the sections that ``kitctl --help`` shows.

A module has one ``command``: options, one call of the client, printing.

    >>> from kitops_orchestration.cli.main import module_of
    >>> module_of("pack").command.name
    'pack'
"""
