"""What every verb keeps to: one JSON object for programs, secrets for nobody, and trust only by a policy."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_what_json_prints_is_one_object(kitctl, packed: str, repository: str, here: Path) -> None:
    for arguments in (
        ("list", repository),
        ("inspect", packed),
        ("diff", packed, packed),
        ("lineage", packed),
        ("copy", packed, f"file://{here}/other/iris:v1"),
        ("unpack", packed, "-d", here / "again"),
        ("tag", packed, "stable"),
        ("version",),
    ):
        assert isinstance(kitctl(*arguments, "--json").ok().json, dict)


@pytest.mark.needs("signing")
def test_lineage_judges_signatures_by_a_trust_policy(kitctl, packed: str, here: Path) -> None:
    kitctl("keygen", "-o", here / "release").ok()
    kitctl("sign", packed, "--key", here / "release.key").ok()
    trust = here / "own.yaml"
    trust.write_text(
        "version: 1\nidentities: [{id: grace@example.com, roles: [releaser], keys: [{publicKey: release.pub}]}]\n",
        encoding="utf-8",
    )
    assert "grace@example.com" in kitctl("lineage", packed, "--trust", trust).ok().out
    assert "grace@example.com" not in kitctl("lineage", packed).ok().out


@pytest.mark.needs("signing")
def test_no_password_and_no_private_key_is_printed(kitctl, packed: str, here: Path, monkeypatch) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "very secret password")
    made = kitctl("keygen", "-o", here / "release", "--json").ok()
    monkeypatch.setenv("COSIGN_PASSWORD", "another secret password")
    refused = kitctl("-v", "sign", packed, "--key", here / "release.key")
    assert refused.code == 1
    assert "secret password" not in made.out + made.err + refused.out + refused.err
    assert "PRIVATE KEY" not in made.out + refused.err
