"""The tag of a stage: what hangs on it, who may move it, and one writer at a time on one machine.

Used by ``catalog``, ``client``, ``promotion``, ``promotion.checkpoint``, ``promotion.checks``: ``anchor`` (anchor_of,
at_anchor, ensure_anchor, prepare_own_tag, stages_of_tag); ``freeze`` (Freeze, freeze, FreezeOptions,
standing_freezes, why_frozen); ``guard`` (require_free); ``lock`` (promotion_lock).

    >>> from kitops_orchestration import KitClient
    >>> KitClient("file:///tmp/models").tag("iris:v1", "production")  # doctest: +SKIP
"""
