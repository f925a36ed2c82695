"""Groups of tasks that are written once: a release from a training run to a stage, in one line of a DAG.

>>> from airflow_kitops.task_groups import KitReleaseTaskGroup  # doctest: +SKIP
"""

from airflow_kitops.task_groups.release import KitReleaseTaskGroup

__all__ = ["KitReleaseTaskGroup"]
