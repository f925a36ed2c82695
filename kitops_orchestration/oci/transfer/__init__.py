"""The bytes of one blob on their way: hashed while they pass, resumed where they stopped, cancelled within a second.

It knows streams and files, no manifest.

Used by ``client``, ``dagster_kitops``, ``deploy``, ``modelkit``, ``modelkit.packing``, ``oci``, ``oci.copying``,
``oci.layout``, ``oci.registry``, ``promotion.checkpoint``, ``promotion.stage_tag``, ``signing``, ``testing``:
``checkpoint`` (Checkpoint, FileCheckpoint); ``download`` (download_blob); ``hashing`` (cores, hashing); ``push``
(ContentWriter, hash_source, PushedBlob); ``source`` (BytesSource, FileSource, NewBytes).

    >>> from kitops_orchestration.oci.transfer.source import BytesSource
    >>> BytesSource(b"weights").size
    7
"""
