"""``@task.kit_pack`` and ``@task.kit_unpack``: a function's files become a ModelKit, a ModelKit's files reach one::

@task.kit_pack(push_to="team/iris:v1")
def train() -> str:
    return "folder with a Kitfile"
"""

from airflow_kitops.decorators.kitops import kit_pack_task, kit_unpack_task

__all__ = ["kit_pack_task", "kit_unpack_task"]
