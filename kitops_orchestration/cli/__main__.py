"""``python -m kitops_orchestration.cli``: the command line where the program's folder is not on ``PATH``."""

from __future__ import annotations

from kitops_orchestration.cli.main import main

main()
