"""Layers of a ModelKit: their media types, and tar with and without compression, byte for byte as Go writes it.

Used by ``cli.commands.make``, ``lineage.answers``, ``modelkit``, ``modelkit.packing``, ``modelkit.sources``,
``modelkit.unpacking``, ``modelkit.validation``: ``compression``; ``media_types`` (Compression, IMAGE_MODEL_FOLDER,
Kind, layer_media_type, LayerFormat, LayerType); ``plain`` (PlainContent); ``raw`` (RawFile); ``tar``; ``tar_reader``
(BUFFER_BYTES, check_depth, PieceReader, read_tar, safe_path, Sink).

    >>> from kitops_orchestration.modelkit.layers.tar import padding
    >>> padding(700)
    324
"""
