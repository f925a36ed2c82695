"""Where a model may come from when it is in no folder yet: the Hugging Face Hub, a git repository.

Used by ``cli.commands.make``, ``client``: ``any_source`` (import_source, ImportOptions, Tool); ``import_source``
(ImportResult).

    >>> from kitops_orchestration import KitClient
    >>> KitClient("file:///tmp/models").import_source("hf://team/iris", "iris:v1")  # doctest: +SKIP
"""
