"""The same team, and the same witnessed repository, as for the unit tests of promotion."""

from tests.unit.kitops_orchestration.promotion.checkpoint.conftest import (  # noqa: F401 - the same
    watched,
    witness_keys,
)
from tests.unit.kitops_orchestration.promotion.conftest import (  # noqa: F401 - pytest finds fixtures here
    keys,
    team,
    tmp_path,
)
