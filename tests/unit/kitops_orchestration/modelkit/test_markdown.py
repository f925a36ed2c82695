from __future__ import annotations

import pytest

from kitops_orchestration.modelkit.markdown import block


@pytest.mark.parametrize("text", ["a: 1", "a: 1\n", "", "description: |\n  ```sh\n  run\n  ```\n", "````", "a ` b"])
def test_text_stays_in_its_block(text: str) -> None:
    opening, *inside, closing = block(text, "yaml").split("\n")

    assert opening == closing + "yaml"
    assert set(closing) == {"`"}
    assert len(closing) >= 3
    assert closing not in text
    assert "\n".join(inside) == text.removesuffix("\n")
