"""What is on record about a stage, and which of it counts: for its policy, its stage and its place alone.

Used by ``catalog``, ``cli.commands.promote``, ``client``, ``promotion``, ``promotion.checkpoint``,
``promotion.checks``: ``counting`` (find_records, Found, place_of, policies_of, Rules, why_not); ``history``
(events_of, history, HistoryEntry, HistoryOptions, into, MOST_ENTRIES, promotions_of, recorded_promotions,
StageHistory, StagesStatus); ``lost_promotions`` (with_lost_promotions).

    >>> from kitops_orchestration import KitClient
    >>> KitClient("file:///tmp/models").history("iris", stage="production")  # doctest: +SKIP
"""
