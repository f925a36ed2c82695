"""A ModelKit moves between stages: checked, approved, copied by digest, and the tag last.

Everything a promotion decides on, and everything it leaves behind, is in the registry: see
:mod:`kitops_orchestration.lineage`.  Adapters and the command line call these verbs and decide nothing.

    >>> from kitops_orchestration.promotion.promote import promote
"""
