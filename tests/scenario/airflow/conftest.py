"""The same registry and connections as for the unit tests of Airflow."""

from tests.unit.airflow_kitops.conftest import (  # noqa: F401 - pytest finds fixtures here
    context_dir,
    key_pair,
    put_modelkit,
    put_tag,
    registry,
    signing_connection,
)
