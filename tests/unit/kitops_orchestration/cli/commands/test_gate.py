"""The gate at a terminal: what ``pack``, ``init`` and ``scan`` say, and how somebody lets a file through."""

from __future__ import annotations

from pathlib import Path

import pytest

SECRET = "Tr41n-on-nights" + "!"


@pytest.fixture
def leaky(kit: Path) -> Path:
    """Return the small ModelKit with a password in its code."""
    (kit / "settings.yaml").write_text(f"a: 1\npassword: {SECRET}\n")
    text = (kit / "Kitfile").read_text()
    (kit / "Kitfile").write_text(text + "  - path: settings.yaml\n")
    return kit


def test_a_refusal_names_place_and_way_out(kitctl, leaky, repository, here) -> None:
    for strict in ([], ["--strict-kit"], ["--use-model-pack"], ["--compression", "gzip"]):
        err = kitctl("pack", leaky, "-t", f"{repository}:v1", *strict).refused()
        assert "settings.yaml:2  a value of password" in err
        assert "--allow-secret 'settings.yaml:2=why'" in err
        assert SECRET not in err
    assert not (here.parent / "registry").exists()


def test_json_has_the_findings(kitctl, leaky, repository) -> None:
    ran = kitctl("pack", leaky, "-t", f"{repository}:v1", "--json")

    assert ran.code == 1
    assert ran.json["error"] == "GateRefusedError"
    (found,) = ran.json["findings"]
    assert (found["path"], found["line"], found["rule"], found["level"]) == (
        "settings.yaml",
        2,
        "plain-assignment",
        "refuse",
    )
    assert SECRET not in ran.out + ran.err


def test_an_allowed_secret_is_packed_and_said_so(kitctl, leaky, repository) -> None:
    ran = kitctl("pack", leaky, "-t", f"{repository}:v1", "--allow-secret", "settings.yaml:2=of the tests").ok()
    assert "warning: settings.yaml:2: a value of password, allowed: of the tests" in ran.err


def test_a_scan_tells_what_a_pack_would_refuse(kitctl, leaky, repository) -> None:
    ran = kitctl("scan", leaky)
    assert ran.code == 1
    assert "settings.yaml:2" in ran.out
    assert "FAILED" in ran.out

    assert kitctl("scan", leaky, "--json", "--allow-secret", "settings.yaml=x").ok().json["result"] == "WARNED"
    kitctl("scan", leaky, "--write-allow").refused()
    kitctl("scan", leaky, "--write-allow", "--reason", "of the tests").ok()
    assert kitctl("pack", leaky, "-t", f"{repository}:v1").ok()


def test_a_scan_of_a_modelkit_reads_its_own_bytes(kitctl, leaky, repository, here) -> None:
    kitctl("scan", leaky, "--write-allow", "--reason", "of the tests").ok()
    kitctl("pack", leaky, "-t", f"{repository}:v1").ok()

    ran = kitctl("scan", f"{repository}:v1", "--attest", "--json")

    assert (ran.code, ran.json["result"]) == (1, "FAILED")  # the allow list was not packed
    assert "gate" in kitctl("lineage", f"{repository}:v1").ok().out
    assert kitctl("scan", here, "--attest").code == 2


@pytest.fixture
def folder(here: Path) -> Path:
    root = here / "project"
    for path in (".git/HEAD", ".venv/lib/x.py", "__pycache__/a.pyc", ".ipynb_checkpoints/n.ipynb", ".DS_Store", ".env"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    (root / "run.py").write_text("x")
    (root / "model.bin").write_text("w")
    return root


def test_init_writes_an_ignore_file_that_fits_and_hides_nothing_that_is_packed(
    kitctl, folder, repository, here
) -> None:
    said = kitctl("init", folder, "--json").ok().json
    kitctl("pack", folder, "-t", f"{repository}:v1").ok()
    kitctl("unpack", f"{repository}:v1", "-d", here / "out").ok()

    unpacked = sorted(str(path.relative_to(here / "out")) for path in (here / "out").rglob("*") if path.is_file())
    assert unpacked == ["Kitfile", "model.bin", "run.py"]
    lines = (folder / ".kitignore").read_text().splitlines()
    assert sorted(lines) == sorted(said["ignore"])
    assert {"**/.git", "**/.venv", "**/__pycache__", "**/.ipynb_checkpoints", "**/.DS_Store", ".env"} == set(lines)
    assert said["refused"] == []


def test_init_leaves_an_ignore_file_as_it_is_and_describes_what_it_does_not_hide(kitctl, folder, repository) -> None:
    (folder / ".kitignore").write_text("# mine\n**/.git\n.venv\n")

    ran = kitctl("init", folder).ok()

    assert (folder / ".kitignore").read_text() == "# mine\n**/.git\n.venv\n"
    assert ".kitignore has no line for what is there: .env" in ran.err
    assert "a pack will refuse .env: a dotenv file" in ran.err
    assert ".git" not in ran.err.replace(".kitignore", "")
    assert ".env" in kitctl("pack", folder, "-t", f"{repository}:v1").refused()


def test_init_to_the_terminal_writes_nothing(kitctl, folder) -> None:
    before = sorted(folder.rglob("*"))
    ran = kitctl("init", folder, "--stdout").ok()
    assert sorted(folder.rglob("*")) == before
    assert "no line for what is there: **/.git" in ran.err


def test_init_of_a_clean_folder_writes_no_ignore_file(kitctl, here) -> None:
    (here / "clean").mkdir()
    (here / "clean/model.bin").write_text("w")
    kitctl("init", here / "clean").ok()
    assert sorted(path.name for path in (here / "clean").iterdir()) == ["Kitfile", "model.bin"]


def test_one_of_a_kind_is_told_as_one(kitctl, here) -> None:
    """The first two lines that somebody reads who begins with a folder."""
    folder = here / "beginning"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "train.csv").write_text("5.1,setosa\n")
    (folder / "train.py").write_text("print()\n")
    (folder / "module.pyc").write_bytes(b"")
    out = kitctl("init", folder).ok().out
    assert "1 model, 1 dataset, 1 code" in out
    assert "1 kind of files, listed in" in out
    assert "looked at  3 files, " in kitctl("scan", folder).out
    (here / "one").mkdir()
    (here / "one" / "model.bin").write_bytes(b"weights")
    assert "looked at  1 file, " in kitctl("scan", here / "one").out
