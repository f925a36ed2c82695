"""A Kitfile for a folder that has none, by the rules of ``kit init``.

Used by ``cli.commands.make``, ``client``, ``modelkit.sources``: ``generate`` (generate, GenerateOptions);
``ignore_lines`` (ignore_lines).

    >>> from kitops_orchestration.modelkit.generate.file_types import type_of
    >>> type_of("model.safetensors")
    'model'
"""
