"""ModelKits in Airflow: hook, operators, sensors. Glue only; every rule lives in ``kitops_orchestration``."""
