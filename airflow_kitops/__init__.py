"""ModelKits in Airflow: a connection, a hook, operators and decorators. Glue only; the rules are in the core.

Who may use it: DAG authors.  The core never imports it.  Nothing is imported here, because Airflow reads
this package on every command::

    from airflow_kitops.operators import KitExportRunOperator, KitPromoteOperator
"""

__all__: list[str] = []
