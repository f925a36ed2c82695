"""ModelKits as assets: declared, made, observed. Users import from ``dagster_kitops``.

Used by ``components``, ``dagster_kitops``, ``promotion``: ``body`` (with_resource); ``catalog`` (discovered,
discovered_spec, load_modelkit_asset_specs); ``content`` (ModelKitContent); ``events`` (ModelKitEvent); ``modelkit``
(mlflow_modelkit_asset, modelkit_asset, modelkit_assets); ``observation`` (build_observable_modelkits); ``observe``
(observe_each); ``options`` (SpecOptions, StageOptions, StepOptions); ``partitions`` (BETWEEN, filled_repository,
filled_tag, modelkit_versions_partitions_def, PARTITION_ANNOTATION, partition_tag, PLACEHOLDER, repository_name,
staged_tag); ``place`` (AnyAsset, key_of, place_metadata, places_of, repository_of, require_own_place, require_place,
shared_places, spec_of); ``publish`` (code_version, difference, Gate, is_unchanged, pack_options_of, partition_of,
publish, signature_metadata, Target); ``site`` (build_catalog_asset); ``translator`` (build_modelkit_asset_spec,
DagsterKitOpsTranslator, ModelKitTranslatorData).

    >>> from dagster_kitops import modelkit_asset  # doctest: +SKIP
"""
