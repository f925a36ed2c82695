"""The signed checkpoint of a repository: what was there, so that nothing can be taken away unseen.

>>> from kitops_orchestration import KitClient
>>> KitClient("registry.example").checkpoint("team/iris").version  # doctest: +SKIP

Used by ``catalog``, ``client``, ``promotion``, ``promotion.checks``, ``promotion.retention``: ``make`` (checkpoint,
CheckpointOptions, CheckpointResult); ``memory`` (CheckpointMemory, FileMemory, OneRun); ``removal`` (is_watched,
require_remover, say_removed); ``verify`` (Asked, recorded_numbers, RecordedNumber, Verifier); ``witnessed``
(witnessed, witnessed_repository).
"""
