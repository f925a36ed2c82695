"""ModelKits in Dagster: resource, assets, checks. Glue only; every rule lives in ``kitops_orchestration``."""
