"""Asset checks on ModelKits. Users import from ``dagster_kitops``.

Used by ``assets``, ``components``, ``dagster_kitops``: ``asset_checks`` (answers, build_modelkit_checks,
CheckedModelKit, Finding, ModelKitCheck); ``modelkit_checks`` (build_modelkit_integrity_checks,
build_modelkit_policy_checks, build_modelkit_provenance_checks, build_modelkit_signature_checks,
build_modelkit_smoke_checks, build_modelkit_tag_checks, integrity_check, named_check, policy_checks, provenance_check,
signature_check, tag_check).

    >>> from dagster_kitops import integrity_check  # doctest: +SKIP
"""
