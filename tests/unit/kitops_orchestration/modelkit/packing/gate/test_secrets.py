"""Nothing leaves that holds a secret: which files are refused, what is said, and how one is allowed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import GateRefusedError, ModelKitError
from kitops_orchestration.modelkit.generate.generate import generate
from kitops_orchestration.modelkit.generate.ignore_lines import ignore_lines
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.packing.gate import GateReport, GateRules, check_folder
from kitops_orchestration.modelkit.packing.gate.allow_list import write_allow_list
from kitops_orchestration.modelkit.packing.gate.check import Look
from kitops_orchestration.modelkit.packing.gate.scanner import Scanner
from kitops_orchestration.modelkit.packing.gate.text import is_text
from kitops_orchestration.modelkit.scan import scan
from kitops_orchestration.modelkit.sources.import_source import pack_import
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository

WHOLE = Kitfile.parse("manifestVersion: 1.0.0\ncode: [{path: .}]\n")
OWN = GateRules(use_scanner=False)
"""Our rules alone, whether the extra is installed here or not."""
PASSWORD = "Bl4uer-himmel" + "-9x"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    root.mkdir()
    return root


def put(folder: Path, path: str, content: str | bytes) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def refusal(folder: Path, repository: LayoutRepository, **options: Any) -> GateRefusedError:
    with pytest.raises(GateRefusedError) as raised:
        pack(folder, repository, kitfile=WHOLE, gate_rules=options.pop("gate_rules", OWN), **options)
    return raised.value


def texts(error: GateRefusedError) -> Iterator[str]:
    yield from (str(error), repr(error), error.advice or "", json.dumps(error.findings))


def test_every_planted_secret_is_refused_with_its_line_and_never_shown(
    planted: Mapping[str, Any], tmp_path: Path, repository: LayoutRepository
) -> None:
    for number, item in enumerate((*planted["PLANTED"], *planted["HELD_OUT"])):
        folder = tmp_path / str(number)
        text = item.text.encode("utf-16") if item.path == "utf16.txt" else item.text.encode()
        put(folder, item.path, text)

        error = refusal(folder, repository)

        places = {(found["path"], found.get("line")) for found in error.findings}
        assert (item.path, item.line) in places or (item.path, None) in places, item.path
        assert not any(item.secret in said for said in texts(error)), item.path
    assert not repository.directory.exists()


def test_strict_kit_refuses_the_same(planted: Mapping[str, Any], tmp_path: Path, repository: LayoutRepository) -> None:
    for number, item in enumerate(planted["PLANTED"]):
        put(tmp_path / str(number), item.path, item.text)
        refusal(tmp_path / str(number), repository, strict="kit")


def test_data_and_placeholders_pass(planted: Mapping[str, Any], folder: Path) -> None:
    for name, make in planted["INNOCENT"].items():
        put(folder, f"innocent/{name}", make())
    for name, text in planted["PLACEHOLDERS"].items():
        put(folder, f"placeholders/{name}", text)

    assert check_folder(folder, OWN).findings == ()


def test_the_second_hold_out_is_found_and_its_harmless_half_passes(
    held_out: Mapping[str, Any], tmp_path: Path, repository: LayoutRepository
) -> None:
    made, warned = held_out["with_secrets"](), set()
    for number, (path, (text, secret)) in enumerate(made.items()):
        report = check_folder(put(tmp_path / str(number), path, text), OWN)
        line = text.count("\n", 0, text.index(secret)) + 1
        assert {finding.where for finding in report.findings} & {path, f"{path}:{line}"}, path
        assert secret not in repr(report.to_json()), path
        warned |= set() if report.refused else {path}
    assert warned == {"mail.py", "download.py"}  # in source code a value may be an example
    for path, text in held_out["HARMLESS"].items():
        assert check_folder(put(tmp_path / "harmless", path, text), OWN).findings == (), path
    assert len(made) == len(held_out["HARMLESS"]) == 30


def test_what_is_ignored_costs_nothing_and_refuses_nothing(folder: Path, repository: LayoutRepository) -> None:
    put(folder, ".env", f"A_PASSWORD={PASSWORD}\n")
    put(folder, "run.py", "print(1)\n")
    put(folder, ".kitignore", ".env\n")

    packed = pack(folder, repository, kitfile=WHOLE, gate_rules=OWN)

    assert (packed.gate.result, packed.gate.files) == ("PASSED", 1)


def test_only_what_is_packed_is_judged(folder: Path, repository: LayoutRepository) -> None:
    put(folder, ".env", f"A_PASSWORD={PASSWORD}\n")
    put(folder, "model/w.bin", "w")
    assert (
        pack(folder, repository, kitfile=Kitfile.parse("manifestVersion: 1.0.0\nmodel: {path: model}\n")).gate.files
        == 1
    )


@pytest.mark.parametrize("name", [".git", ".hg", ".svn"])
def test_version_control_is_one_finding(folder: Path, repository: LayoutRepository, name: str) -> None:
    for number in range(30):
        put(folder, f"sub/{name}/objects/{number}", b"\0x")

    error = refusal(folder, repository)

    assert [found["path"] for found in error.findings] == [f"sub/{name}/"]
    assert "30 files" in str(error)


SECRET_FILES = [
    ".env",
    ".env.local",
    "a/prod.env",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".git-credentials",
    "id_rsa",
    "x/id_ed25519",
    ".aws/credentials",
    "home/.kube/config",
    "kubeconfig",
    "kubeconfig.yaml",
    "a.p12",
    "b.pfx",
    "c.jks",
    "d.keystore",
    "e.kdbx",
    "f.ppk",
    "terraform.tfstate",
    "x.tfstate.backup",
    ".htpasswd",
    "id_ecdsa_sk",
    ".huggingface/token",
    ".cache/huggingface/token",
    ".config/gcloud/credentials.db",
    "application_default_credentials.json",
]
HARMLESS_FILES = [
    ".env.example",
    ".env.sample",
    "example.env",
    ".env.template",
    "id_rsa.pub",
    "cosign.pub",
    ".npmrc",
    ".pypirc",
    "env",
    "environment",
    "envs/a.txt",
    "kaggle.json",
    ".docker/config.json",
    "netrc.md",
    "core",
    "core.py",
    ".aws/config",
]


@pytest.mark.parametrize("path", SECRET_FILES)
def test_files_that_are_secret_by_their_names(folder: Path, repository: LayoutRepository, path: str) -> None:
    put(folder, path, "nothing that looks like one\n")
    assert path in [found["path"] for found in refusal(folder, repository).findings]


@pytest.mark.parametrize("path", HARMLESS_FILES)
def test_files_that_only_sound_so(folder: Path, path: str) -> None:
    put(folder, path, "{}\n")
    assert check_folder(folder, OWN).refused == ()


def test_a_secret_in_the_middle_of_a_line_of_a_mebibyte_and_at_the_end_of_a_larger_file(
    planted: Mapping[str, Any], folder: Path
) -> None:
    token = planted["HUB"]
    put(folder, "long.json", "[" + '"a",' * 200_000 + f'"{token}"]')
    put(folder, "larger.csv", "1,2,3\n" * 500_000 + f"{token}\n")

    found = {item.path: item.line for item in check_folder(folder, OWN).refused}

    assert found == {"long.json": 1, "larger.csv": None}


def test_an_archive_is_named_as_not_looked_into(folder: Path) -> None:
    put(folder, "data.zip", b"PK\x03\x04\0\0")
    assert check_folder(folder, OWN).not_checked == ("data.zip: an archive, not looked into",)


def test_a_plain_assignment_in_source_is_an_expression(folder: Path) -> None:
    put(folder, "a.py", "token = reader.next_token2\npassword = vault.read_secret1x\n")
    put(folder, "b.py", f'DEFAULT_PASSWORD = "{PASSWORD}"\n')
    put(folder, "c.yaml", f"password: {PASSWORD}\n")

    report = check_folder(folder, OWN)

    assert [(item.path, item.level) for item in report.findings] == [("c.yaml", "refuse"), ("b.py", "warn")]


def test_a_memory_dump_is_refused(folder: Path) -> None:
    put(folder, "core.123", b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\x00" + bytes(50))
    put(folder, "heap.hprof", "JAVA PROFILE")
    assert {item.path for item in check_folder(folder, OWN).refused} == {"core.123", "heap.hprof"}


@pytest.mark.parametrize("entry", ["c.yaml", "c.yaml:2", "*.yaml", "./c.yaml", "c.yaml=a test value", "c.yaml:2=test"])
def test_a_secret_is_allowed_by_path_or_line(folder: Path, repository: LayoutRepository, entry: str) -> None:
    put(folder, "c.yaml", f"a: 1\npassword: {PASSWORD}\n")

    packed = pack(folder, repository, kitfile=WHOLE, gate_rules=GateRules(allow_secret=(entry,), use_scanner=False))

    assert packed.gate.result == "WARNED"
    (allowed,) = packed.gate.allowed
    assert allowed.reason == (entry.partition("=")[2] or "no reason was given")
    assert any("allowed" in warning for warning in packed.warnings)


@pytest.mark.parametrize("entry", ["c.yaml:3", "d.yaml", "c", "C.yaml", "c.yaml:x", "", "=why"])
def test_an_entry_for_something_else_allows_nothing(folder: Path, repository: LayoutRepository, entry: str) -> None:
    put(folder, "c.yaml", f"a: 1\npassword: {PASSWORD}\n")
    refusal(folder, repository, gate_rules=GateRules(allow_secret=(entry,), allow_content=("*",), use_scanner=False))


def test_an_allow_list_survives_moved_lines_and_not_another_value(folder: Path, repository: LayoutRepository) -> None:
    put(folder, "c.yaml", f"password: {PASSWORD}\n")
    write_allow_list(folder, check_folder(folder, OWN).refused, "a password of the tests")
    assert PASSWORD not in (folder / ".kitallow").read_text()

    put(folder, "c.yaml", f"# moved\n\npassword: {PASSWORD}\n")
    packed = pack(folder, repository, kitfile=WHOLE, gate_rules=OWN)
    assert [item.reason for item in packed.gate.allowed] == ["a password of the tests"]

    put(folder, "c.yaml", f"password: {PASSWORD}0\n")
    refusal(folder, repository)


def test_an_allow_list_is_not_packed_and_needs_reasons(folder: Path, repository: LayoutRepository) -> None:
    put(folder, "a.txt", "a")
    put(folder, ".kitallow", "# nothing yet\n")
    assert pack(folder, repository, kitfile=WHOLE).gate.files == 1
    with pytest.raises(ModelKitError, match="reason"):
        write_allow_list(folder, [], " ")
    for line in ("sha256:0123456789abcdef  a.txt", "a.txt  why", "sha256:zz  a.txt  why"):
        put(folder, ".kitallow", line + "\n")
        with pytest.raises(ModelKitError, match=r"\.kitallow:1"):
            check_folder(folder, OWN)


def test_an_operator_forbids_what_folder_and_task_allow(folder: Path) -> None:
    put(folder, "c.yaml", f"password: {PASSWORD}\n")
    write_allow_list(folder, check_folder(folder, OWN).refused, "ours")
    operator = GateRules(may_allow=False, use_scanner=False)
    wish = GateRules(allow_secret=("*",), on_secret="warn", use_scanner=False)

    assert check_folder(folder, operator.narrowed(wish)).result == "FAILED"
    assert check_folder(folder, GateRules(use_scanner=False).narrowed(wish)).result == "WARNED"
    own_list = GateRules(may_allow=False, allow_secret=("c.yaml=approved by us",), use_scanner=False)
    assert [item.reason for item in check_folder(folder, own_list.narrowed(wish)).findings] == ["approved by us"]


@pytest.mark.parametrize(
    "value",
    [{"on_secrets": "warn"}, {"on_secret": "off"}, {"allow_secret": "a"}, {"may_allow": "no"}, {"allow_content": [1]}],
)
def test_rules_are_read_strictly(value: dict[str, Any]) -> None:
    with pytest.raises(ModelKitError, match="gate"):
        GateRules.from_json(value)


def test_a_client_narrows_what_a_call_wishes(folder: Path, tmp_path: Path) -> None:
    put(folder, "c.yaml", f"password: {PASSWORD}\n")
    put(folder, "Kitfile", "manifestVersion: 1.0.0\ncode: [{path: .}]\n")
    reference = f"file://{tmp_path}/registry/x:1"
    strict = KitClient(gate_rules=GateRules(may_allow=False))

    with pytest.raises(GateRefusedError):
        strict.pack(folder, reference, gate_rules={"allow_secret": ["*"]})
    assert KitClient().pack(folder, reference, gate_rules={"allow_secret": ["*=a test"]}).gate.result == "WARNED"


def test_a_modelkit_is_scanned_as_its_folder_was(
    planted: Mapping[str, Any], folder: Path, repository: LayoutRepository
) -> None:
    for item in planted["PLANTED"]:
        put(folder, f"{planted['PLANTED'].index(item)}/{item.path}", item.text)
    put(folder, "big.csv", "1,2\n" * 500_000 + planted["HUB"] + "\n")
    warned = GateRules(on_secret="warn", use_scanner=False)
    pack(folder, repository, kitfile=WHOLE, tag="v1", gate_rules=warned)

    report = scan(repository, inspect(repository, "v1"), warned)

    assert report.findings == check_folder(folder, warned).findings
    assert report.files == check_folder(folder, warned).files


class FakeEngine:
    """Answers as ``kingfisher_sdk.Scanner`` 1.5 does, and remembers values as it does."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    def reset_dedup(self) -> None:
        self.seen.clear()

    def scan(self, data: bytes) -> list[Any]:
        if b"acme_1234" not in data or b"acme_1234" in self.seen:
            return []
        self.seen.add(b"acme_1234")
        place = {"line": data[: data.index(b"acme_1234")].count(b"\n") + 1}
        made = type(
            "Found",
            (),
            {"visible": True, "rule_id": "acme", "rule_name": "A", "secret": "acme_1234", "location": place},
        )
        hidden = type(
            "Found", (), {"visible": False, "rule_id": "part", "rule_name": "B", "secret": "x", "location": place}
        )
        return [made(), hidden()]


def test_the_scanner_sees_each_file_anew(folder: Path, tmp_path: Path) -> None:
    look = Look(OWN, Scanner(FakeEngine(), "1.5.0"))
    for name in ("a.txt", "b.txt"):
        put(folder, name, "x\nkey acme_1234\n")
        with (folder / name).open("rb") as file:
            look.at_file(name, (folder / name).stat().st_size, file)

    report = look.report({})

    assert [(item.path, item.line, item.rule) for item in report.refused] == [
        ("a.txt", 2, "kingfisher:acme"),
        ("b.txt", 2, "kingfisher:acme"),
    ]
    assert ("kingfisher", "1.5.0") in report.scanners
    assert "acme_1234" not in json.dumps(report.to_json()) + report.to_markdown() + repr(report)


def test_a_file_that_changes_after_the_gate_is_not_packed(folder: Path, repository: LayoutRepository) -> None:
    put(folder, "a.txt", "a" * 100)
    from kitops_orchestration.modelkit.packing.ignore import IgnoreRules
    from kitops_orchestration.modelkit.packing.stream import open_entry
    from kitops_orchestration.modelkit.packing.walk import walk

    (entry,) = walk(folder, IgnoreRules([])).entries
    os.utime(folder / "a.txt", ns=(1, 1))
    with pytest.raises(ModelKitError, match="changed"):
        open_entry(entry)


def test_init_writes_lines_for_what_it_saw_and_describes_the_rest(folder: Path, repository: LayoutRepository) -> None:
    for path in (".git/HEAD", ".venv/lib/x.py", "__pycache__/a.pyc", ".ipynb_checkpoints/n.ipynb", ".DS_Store", ".env"):
        put(folder, path, "x")
    put(folder, "sub/__pycache__/b.pyc", "x")
    put(folder, "run.py", "x")
    put(folder, "w.bin", "w")
    put(folder, "mlruns/0/meta.yaml", "x")
    lines = ignore_lines(folder)

    kitfile = generate(folder)
    put(folder, ".kitignore", "\n".join(lines) + "\n")
    packed = pack(folder, repository, kitfile=kitfile, tag="v1", gate_rules=OWN)

    names = {item.path for item in check_folder(folder, OWN).findings}
    assert (packed.gate.result, names) == ("PASSED", set())
    assert set(lines) >= {"**/.git", "**/.venv", "**/__pycache__", "**/.ipynb_checkpoints", "**/.DS_Store", ".env"}
    assert "# mlruns" in lines
    assert ignore_lines(folder) == [line for line in lines if line.startswith("#")]


def test_the_report_in_words_has_every_finding(folder: Path) -> None:
    put(folder, "c.yaml", f"password: {PASSWORD}\n")
    report = check_folder(folder, OWN)

    assert "| `c.yaml:1` | a value of password | refused |" in report.to_markdown().replace("**", "")
    assert PASSWORD not in report.to_markdown()
    assert "PASSED" in GateReport().to_markdown()


def test_a_refusal_names_twenty_and_counts_the_rest(folder: Path, repository: LayoutRepository) -> None:
    for number in range(25):
        put(folder, f"{number:02}.yaml", f"password: {PASSWORD}\n")

    error = refusal(folder, repository)

    assert str(error).startswith("nothing was sent: 25 secrets are among what would be packed")
    assert "19.yaml:1" in str(error)
    assert "20.yaml" not in str(error)
    assert "and 5 more" in str(error)
    assert len(error.findings) == 25
    assert ".kitignore" in str(error.advice)


def test_an_unreadable_or_odd_name_is_named(folder: Path, make_context: Callable[..., Path]) -> None:
    put(folder, os.fsdecode(b"\xff.yaml"), f"password: {PASSWORD}\n")
    (found,) = check_folder(folder, OWN).refused
    json.dumps(found.to_json())
    assert found.line == 1


TOKEN = "ghp_" + "q7Rk2ZxVb9TnLw4HsYc6" + "Jd3MfPg8AuEe"[:12] + "5Xi0"
"""In the form of a GitHub token, and nobody's."""

KITFILES = {
    "a description": f"manifestVersion: 1.0.0\npackage: {{name: x, description: 'use {TOKEN}'}}\ncode: [{{path: .}}]\n",
    "a parameter": (
        "manifestVersion: 1.0.0\nmodel: {path: a.txt, parameters: {train: {runs: [{note: "
        f'"see \\x67hp_{TOKEN[4:]}"}}]}}}}}}\n'
    ),
    "a password by its key": f"manifestVersion: 1.0.0\nmodel: {{path: a.txt, parameters: {{password: {PASSWORD}}}}}\n",
    "a key of a mapping": f"manifestVersion: 1.0.0\nmodel: {{path: a.txt, parameters: {{{TOKEN}: 1}}}}\n",
}


@pytest.mark.parametrize("model_pack", [False, True])
@pytest.mark.parametrize("name", KITFILES)
def test_the_kitfile_leaves_as_the_config_so_it_passes_the_gate_too(
    folder: Path, tmp_path: Path, repository: LayoutRepository, name: str, *, model_pack: bool
) -> None:
    put(folder, "a.txt", "weights")
    put(folder, "Kitfile", KITFILES[name])
    elsewhere = tmp_path / "Kitfile"
    elsewhere.write_text(KITFILES[name])
    for kitfile in (None, elsewhere, Kitfile.parse(KITFILES[name])):
        with pytest.raises(GateRefusedError) as raised:
            pack(folder, repository, kitfile=kitfile, gate_rules=OWN, model_pack=model_pack)
        assert [item["path"] for item in raised.value.findings] == ["Kitfile"]
        assert "take it out of the Kitfile" in (raised.value.advice or "")
        for told in texts(raised.value):
            assert TOKEN not in told
            assert PASSWORD not in told
    assert [item.path for item in check_folder(folder, OWN).refused] == ["Kitfile"]

    allowed = GateRules(allow_secret=("Kitfile=nobody's",), use_scanner=False)
    pack(folder, repository, tag="v1", gate_rules=allowed)
    assert [item.path for item in scan(repository, inspect(repository, "v1"), OWN).refused] == ["Kitfile"]


def test_annotations_pass_the_gate_too(folder: Path, repository: LayoutRepository) -> None:
    put(folder, "a.txt", "weights")
    error = refusal(folder, repository, annotations={"org.example.note": TOKEN})
    assert [item["path"] for item in error.findings] == ["annotations"]
    assert TOKEN not in "".join(texts(error))


def test_what_a_kitfile_usually_says_is_no_secret(folder: Path, repository: LayoutRepository) -> None:
    put(folder, "a.txt", "weights")
    said = """
manifestVersion: 1.0.0
package: {name: x, description: "Set HF_TOKEN, then run; password: see the vault"}
model:
  path: a.txt
  parameters: {max_tokens: 512, pad_token: "[PAD]", eos_token: "</s>", tokenizer: bert-base-uncased,
    api_key: "${API_KEY}", key: species, token_type_ids: 2, secret: false}
"""
    put(folder, "Kitfile", said)
    assert pack(folder, repository, gate_rules=OWN).gate.findings == ()


@pytest.mark.parametrize("name", ["README.md", "notes.txt"])
def test_many_findings_hide_none(folder: Path, repository: LayoutRepository, name: str) -> None:
    """Two hundred findings are named; what comes after them is told as one, and no entry for the others allows it."""
    many = "".join(f'password: "Fl1eder-{number}-Xq"\n' for number in range(250))
    put(folder, name, many + f"the last is {TOKEN}\n")
    error = refusal(folder, repository)
    assert name != "README.md" or [item["line"] for item in error.findings] == [251]  # the others are warnings there

    put(folder, name, many)
    write_allow_list(folder, check_folder(folder, OWN).findings, "made up")
    assert pack(folder, repository, kitfile=WHOLE, gate_rules=OWN).gate.refused == ()
    put(folder, "other.txt", "nothing")
    put(folder, name, many + 'password: "An-other-0ne-9"\n')
    assert [item.rule for item in check_folder(folder, OWN).findings if item.reason is None] == ["more-secrets"]


@pytest.mark.parametrize(
    "path", [".ENV", "conf/.Env.local", "ID_RSA", ".SSH.PFX", ".Git/config", "x/repo.git/objects/ab/cd", ".jj/x"]
)
def test_case_and_bare_repositories_change_nothing(folder: Path, repository: LayoutRepository, path: str) -> None:
    put(folder, path, "A=b\n")
    assert refusal(folder, repository).findings


def test_what_was_not_read_is_said(folder: Path) -> None:
    put(folder, "long.csv", "1,2\n" * 400_000)
    put(folder, "odd.dat", b"\0" + TOKEN.encode())
    put(folder, "model.dat", b"PK\x03\x04\0\0")
    put(folder, "short.txt", "hello\n")
    said = check_folder(folder, OWN).not_checked
    assert sorted(item.partition(":")[0] for item in said) == ["long.csv", "model.dat", "odd.dat"]


ENCODINGS = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("before", ["", "# settings of the train service, gr\u00fc\u00dfe\n" * 3])
def test_wide_text_is_text_with_a_mark_or_without(folder: Path, encoding: str, mark: str, before: str) -> None:
    token = "ghp" + "_" + "a1B2c3D4e5" * 3 + "f6G7h8"
    (folder / "settings.ini").write_bytes(f"{mark}{before}token = {token}\n".encode(encoding))
    assert [item.path for item in check_folder(folder, OWN).refused] == ["settings.ini"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_end_of_a_long_wide_text_is_read_where_a_character_begins(folder: Path, encoding: str) -> None:
    token = "ghp" + "_" + "a1B2c3D4e5" * 3 + "f6G7h8"
    (folder / "long.txt").write_bytes(("nothing here\n" * 90_001 + f"t = {token}\n").encode(encoding) + b"\n")
    assert [item.path for item in check_folder(folder, OWN).refused] == ["long.txt"]


@pytest.mark.parametrize("kind", ["<i2", ">i2", "<i4", "<f4", "<u2"])
def test_numbers_are_no_wide_text(kind: str) -> None:
    import array

    codes = {"<i2": "h", ">i2": "h", "<i4": "i", "<f4": "f", "<u2": "H"}
    values = array.array(codes[kind], [number % 400 for number in range(2000)])
    if kind.startswith(">"):
        values.byteswap()
    assert not is_text(values.tobytes())


SHAPED = "AKIA" + "Q3EGRT7MNB2CDXYZ"


@pytest.mark.parametrize("path", [f"{SHAPED}.txt", f"logs/{SHAPED}/run.txt", f"a/dump-{SHAPED}.json"])
def test_a_secret_in_a_name_is_refused_and_not_shown(folder: Path, repository: LayoutRepository, path: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("nothing")
    with pytest.raises(GateRefusedError, match="in the name") as caught:
        pack(folder, repository, kitfile=WHOLE, tag="v1")
    shown = f"{caught.value} {caught.value.advice} {caught.value.findings} {check_folder(folder, OWN).to_json()}"
    assert SHAPED not in shown
    assert "[redacted]" in shown


def test_an_empty_folder_with_a_secret_for_a_name_is_refused(folder: Path) -> None:
    (folder / SHAPED).mkdir()
    assert [item.path for item in check_folder(folder, OWN).refused] == ["[redacted]"]


@pytest.mark.parametrize(
    "path",
    [
        "models--google-bert--bert-base/blobs/0a6aa9128b6194f4f3c4db429b6cb4891cdb421b",
        "max_tokens=128,lr=0.1/model.bin",
        "token_type_ids.npy",
        "secret_sauce/passwords.md",
        "checkpoint-1000/rng_state_0.pth",
        "lr=0.001_wd=0.1_password=none/x.bin",
    ],
)
def test_names_of_data_are_no_secrets(folder: Path, path: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(b"\1\2\3\0data")
    assert [item for item in check_folder(folder, OWN).findings if item.topic == "secret"] == []


def test_a_list_that_came_with_an_import_allows_nothing(folder: Path, repository: LayoutRepository) -> None:
    (folder / "config.yaml").write_text("password: Tr41n-on-nights!\n")
    write_allow_list(folder, check_folder(folder, OWN).refused, "it says so itself")
    imported: dict[str, Any] = {
        "name": "x",
        "source": "https://git.test/x.git",
        "revision": "1" * 40,
        "made_at": None,
        "tag": "v1",
        "open_parent": None,
    }
    for rules in (
        {"kitfile": WHOLE},
        {"kitfile": WHOLE, "gate_rules": {"on_content": "warn"}},
        {"kitfile": WHOLE, "gate_rules": GateRules()},
    ):
        with pytest.raises(GateRefusedError, match=r"config\.yaml"):
            pack_import(folder, repository, options=rules, **imported)
    allowed = {"kitfile": WHOLE, "gate_rules": {"allow_secret": ["config.yaml=looked at"]}}
    assert pack_import(folder, repository, options=allowed, **imported).pack.warnings
    assert pack(folder, repository, kitfile=WHOLE, tag="own").gate.allowed  # whose folder it is, wrote the list


def test_a_list_that_is_a_link_allows_nothing(folder: Path) -> None:
    (folder / "config.yaml").write_text("password: Tr41n-on-nights!\n")
    path = write_allow_list(folder, check_folder(folder, OWN).refused, "a snapshot of a hub's cache")
    path.rename(folder / "blob")
    path.symlink_to("blob")
    assert [item.path for item in check_folder(folder, OWN).refused] == ["config.yaml"]


def test_a_list_in_a_modelkit_is_not_unpacked(folder: Path, repository: LayoutRepository, tmp_path: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "config.yaml").write_text("lr: 1\n")
    (folder / "sub" / ".kitallow").write_text("sha256:0123456789abcdef  sub/config.yaml  because\n")
    pack(folder, repository, tag="v1", kitfile=Kitfile.parse("manifestVersion: 1.0.0\ncode: [{path: sub}]\n"))
    done = unpack(repository, "v1", tmp_path / "out")
    assert not (tmp_path / "out" / "sub" / ".kitallow").exists()
    assert (tmp_path / "out" / "sub" / "config.yaml").read_text() == "lr: 1\n"
    assert "sub/.kitallow: left out" in done.warnings[0]
