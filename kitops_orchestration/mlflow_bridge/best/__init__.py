"""The best model of an experiment, a registered model or a search, as a source of an export.

>>> from kitops_orchestration.mlflow_bridge.best.choice import best_query
>>> best_query("experiments:/iris", "rmse:min").direction
'min'

Used by ``mlflow_bridge``: ``candidates`` (choose_best); ``choice`` (BEST_PARAMETER, best_query, BestChoice).
"""
