"""A run of MLflow becomes a version in staging in one line: exported, scanned, signed, tried, promoted, recorded, told.

Every step can be changed, replaced or left out, see ``KitReleaseTaskGroup``. With a promotion policy a person is asked
in between. The key of the connection signs.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_kitops.task_groups import KitReleaseTaskGroup


def tell(context) -> None:
    """Stand for ``SmtpNotifier(…, subject="{{ kitops.subject }}", html_content="{{ kitops.html }}")``."""
    print(context["kitops"]["text"])


@dag(
    schedule=None,
    catchup=False,
    params={"run": "runs:/…", "repository": "team/iris", "version": "v1"},
    tags=["kitops"],
    doc_md=__doc__,
)
def release():
    KitReleaseTaskGroup(
        source="{{ params.run }}",
        push_to="{{ params.repository }}:{{ params.version }}",
        stage="staging",
        target={"kind": "vm", "name": "scoring-1"},
        notifier=tell,
        steps={"smoke_test": {"timeout_seconds": 600}, "promote": {"reason": "released by {{ dag.dag_id }}"}},
    )


release = release()
