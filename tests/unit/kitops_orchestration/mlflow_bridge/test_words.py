"""One text for each surface: Python speaks of parameters, the terminal of options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kitops_orchestration.mlflow_bridge as bridge
from kitops_orchestration.cli.output.failure import in_terminal_words

ADVICE = re.compile(r'advice=f?"((?:[^"\\]|\\.)*)"')
PARAMETER = re.compile(r"\b[a-z_]+=(?:\.\.\.|True|False|'[a-z]+')")
OURS = [
    text
    for path in sorted(Path(str(bridge.__file__)).parent.rglob("*.py"))
    for text in ADVICE.findall(path.read_text())
    if PARAMETER.search(text) and "log_model(" not in text
]


def test_advice_that_names_parameters_is_found() -> None:
    assert any("model_name=..." in text for text in OURS)


@pytest.mark.parametrize("text", OURS)
def test_the_terminal_names_options_where_python_names_parameters(text: str) -> None:
    said = in_terminal_words(text)
    assert not PARAMETER.search(said)
    assert re.search(r"--[a-z-]+", said)
