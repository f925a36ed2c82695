"""The passport: all that is on record about one version, as one page that can be mailed and kept.

Used by ``catalog``, ``catalog.views``, ``client``, ``lineage``, ``promotion``: ``chart`` (Course, courses); ``page``
(run_facts); ``passport`` (Passport, passport, PassportOptions); ``statements`` (not_counted, Said, statements, who);
``verdicts`` (SIGN_OFF, verdicts).

    >>> from kitops_orchestration import KitClient
    >>> KitClient("file:///tmp/models").passport("iris:v1")  # doctest: +SKIP
"""
