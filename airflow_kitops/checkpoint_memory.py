"""Which checkpoints of repositories this Airflow has seen: variables, which all of its workers share."""

from __future__ import annotations

from airflow_kitops._compat import Variable, get_current_context, speaking_alone

PREFIX = "kitops_checkpoint_"
"""Of the variables' keys; what follows is the SHA-256 of ``registry/repository``."""


class VariableMemory:
    """The core's ``CheckpointMemory`` in Airflow's variables.

    A database that does not answer fails the task, as for any other variable: what was seen must not be forgotten.
    """

    def load(self, key: str) -> str | None:
        """Return what was saved under ``key``."""
        with speaking_alone():
            value = Variable.get(PREFIX + key, default=None)
        return value if isinstance(value, str) else None

    def save(self, key: str, value: str) -> None:
        """Keep ``value`` for every task of this Airflow."""
        with speaking_alone():
            Variable.set(
                PREFIX + key, value, description="Numbers of signed checkpoints that were seen; do not delete."
            )


def checkpoint_memory() -> VariableMemory | None:
    """Return the memory of a running task; ``None`` outside of one, where the machine's own is used."""
    try:
        get_current_context()
    except RuntimeError:
        return None
    return VariableMemory()
