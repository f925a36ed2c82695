"""Time that is proven: RFC 3161 time-stamps over signatures, asked for when signing and verified offline.

A stamp says that the signature existed at its time.  So nobody dates a signature back, after the end or the loss of a
key.  It does not keep anybody from holding a signature back and stamping it late.

Used by ``airflow_kitops.hooks``, ``cli.options``, ``client``, ``dagster_kitops``, ``lineage.statements``,
``promotion.checkpoint``, ``signing``, ``signing.keyless``: ``authority`` (NOTHING, proven_time, ProvenTime,
TimeAuthority); ``claims`` (claimed_time, run_time); ``stamping`` (stamped, stamped_by).

    >>> from kitops_orchestration.signing.trusted_time.authority import TimeAuthority
    >>> TimeAuthority.of(b"...", name="company")  # doctest: +SKIP
"""
