"""From a folder to layers: which files, in which order, in which bytes, and what must not leave.

Used by ``airflow_kitops``, ``airflow_kitops.hooks``, ``cli.commands.make``, ``cli.commands.mlflow``, ``cli.options``,
``client``, ``dagster_kitops``, ``lineage.statements``, ``mlflow_bridge``, ``modelkit``, ``modelkit.generate``,
``modelkit.sources``, ``modelkit.unpacking``: ``collection`` (Collector, registry_inside); ``digest_cache``
(DigestCache); ``gate`` (check_folder, documents_of, GateFinding, GateReport, GateRules); ``ignore`` (ALLOW_FILE_NAME,
IgnoreRules); ``manifest_profile`` (build_manifest, created_from, created_of, model_pack_config, Profile); ``plan``
(other_paths, plan_layers, PlannedLayer); ``stream`` (LayerSource, RawSource); ``walk`` (Entry, walk); ``writer``
(LayerWriter, WrittenLayer).

    >>> from kitops_orchestration.modelkit.packing.ignore import read_patterns
    >>> read_patterns("*.log\\n# a comment")
    ['*.log']
"""
