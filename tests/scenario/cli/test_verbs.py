"""What each verb says and leaves behind when all is well."""

from __future__ import annotations

import fcntl
import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from kitops_orchestration.modelkit import kit_storage
from kitops_orchestration.modelkit.kit_storage import KitStorageRepository
from kitops_orchestration.oci.content_cache import ContentCache
from kitops_orchestration.oci.descriptor import Digest

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def test_pack_names_the_digest_and_the_layers(kitctl, kit, repository) -> None:
    out = kitctl("pack", kit, "-t", f"{repository}:v1").ok().out
    assert re.search(rf"packed +{re.escape(repository)}:v1@sha256:[0-9a-f]{{64}}", out)
    assert re.search(r"^dataset +data/train.csv ", out, re.MULTILINE)


def test_options_may_stand_before_or_after_arguments(kitctl, kit, repository) -> None:
    before = kitctl("pack", "--json", "-t", f"{repository}:v1", kit).ok().json
    after = kitctl("pack", kit, "-t", f"{repository}:v1", "--json").ok().json
    assert before["digest"] == after["digest"]


def test_pack_gives_several_tags_the_kit_way(kitctl, kit, repository) -> None:
    kitctl("pack", kit, "-t", f"{repository}:v1,latest").ok()
    listed = kitctl("list", repository, "--json").ok().json["modelkits"]
    assert [item["tag"] for item in listed] == ["latest", "v1"]
    assert len({item["digest"] for item in listed}) == 1


def test_pack_reads_a_kitfile_from_standard_input(kitctl, kit, repository, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("manifestVersion: 1.0.0\nmodel: {path: model.bin}\n"))
    answer = kitctl("pack", kit, "-f", "-", "-t", f"{repository}:v1", "--json").ok().json
    assert [layer["kind"] for layer in answer["layers"]] == ["model"]


def test_unpack_takes_the_flags_of_the_kit_cli(kitctl, kit, packed, here) -> None:
    kitctl("unpack", packed, "-d", here / "out", "-f", "model").ok()
    assert sorted(path.name for path in (here / "out").iterdir()) == ["model.bin"]
    assert (here / "out" / "model.bin").read_bytes() == (kit / "model.bin").read_bytes()
    kitctl("unpack", packed, "-d", here / "out", "-i").ok()
    kitctl("unpack", packed, "-d", here / "out", "-o", "--progress", "plain", "--tls-verify=false").ok()


def test_a_filter_that_matches_nothing_is_told(kitctl, packed, here) -> None:
    ran = kitctl("unpack", packed, "-d", here / "out", "-f", "model:typo").ok()
    assert "nothing in" in ran.err
    assert "model:typo" in ran.err


def test_copy_between_folders_keeps_the_digest(kitctl, packed, here) -> None:
    there = f"file://{here}/other/iris:v9"
    source = kitctl("inspect", packed, "--json").ok().json
    for verb in ("copy", "push", "pull"):
        answer = kitctl(verb, packed, there, "--json").ok().json
        assert answer["digest"] == source["digest"]
        assert answer["reference"].startswith(there + "@")


def test_copy_reaches_the_storage_of_the_kit_cli(kitctl, packed, here, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KITOPS_HOME", str(tmp_path / "kit"))
    there = kitctl("copy", packed, "localhost/iris:v1", "--to-kit", "--json").ok().json
    (listed,) = kit_storage.repositories()
    assert str(listed) == "localhost/iris"
    assert there["digest"] == KitStorageRepository(listed).resolve("v1").digest

    back = kitctl("copy", "localhost/iris:v1", f"file://{here}/back/iris", "--from-kit", "--json").ok().json
    assert back["digest"] == there["digest"]
    assert back["reference"].startswith(f"file://{here}/back/iris:v1@")
    kitctl("copy", "localhost/nobody:v1", f"file://{here}/back/nobody", "--from-kit").refused()


def test_tag_and_remove_move_no_bytes(kitctl, packed, repository) -> None:
    assert kitctl("tag", packed, "best", "--json").ok().json["reference"].startswith(f"{repository}:best@")
    gone = kitctl("remove", f"{repository}:best", "--json").ok().json
    assert gone["reference"].startswith(f"{repository}:best@")
    assert [item["tag"] for item in kitctl("list", repository, "--json").ok().json["modelkits"]] == ["v1"]


def test_prune_says_before_it_does(kitctl, packed, repository) -> None:
    kitctl("remove", packed).ok()
    would = kitctl("prune", repository, "--dry-run", "--grace-hours", "0", "--json").ok().json
    assert would["size"] > 7000
    freed = kitctl("prune", repository, "--grace-hours", "0", "--json").ok().json
    assert freed["blobs"] == would["blobs"]
    assert kitctl("prune", repository, "--grace-hours", "0", "--json").ok().json["size"] == 0


def test_list_shows_what_is_no_modelkit_and_goes_on(kitctl, packed, repository, key) -> None:
    kitctl("sign", packed, "--key", key).ok()
    kitctl("deploy", packed, "--target", "image", "--image-tag", "runs").ok()
    out = kitctl("list", repository).ok().out
    assert re.search(r"^v1 +iris +1.0.0 ", out, re.MULTILINE)
    assert re.search(r"^runs +\(no ModelKit\)", out, re.MULTILINE)


def test_list_of_a_repository_that_is_not_there_says_so(kitctl, repository) -> None:
    assert "there is no repository" in kitctl("list", repository).refused()
    assert "there is no repository" in kitctl("list", repository, "--json").json["message"]


def test_inspect_shows_package_and_layers(kitctl, packed) -> None:
    out = kitctl("inspect", packed).ok().out
    assert re.search(r"^licence +Apache-2.0$", out, re.MULTILINE)
    assert re.search(r"^code +train.py ", out, re.MULTILINE)
    assert DIGEST.fullmatch(kitctl("inspect", packed, "--json").ok().json["digest"])


def test_info_prints_the_kitfile_as_yaml(kitctl, packed) -> None:
    assert yaml.safe_load(kitctl("info", packed).ok().out)["package"]["name"] == "iris"


@pytest.mark.parametrize(
    ("field", "printed"),
    [
        ("package.name", "iris"),
        ("Package.Authors", "- Ada"),
        ("datasets.0.path", "data/train.csv"),
        ("model.framework", "scikit-learn"),
    ],
)
def test_info_finds_a_field_by_its_dotted_path(kitctl, packed, field, printed) -> None:
    assert kitctl("info", packed, "-f", field).ok().out == printed + "\n"


def test_info_names_the_fields_there_are(kitctl, packed) -> None:
    assert "name, version" in kitctl("info", packed, "--filter", "package.nmae").refused()


def test_diff_is_no_failure_when_there_is_a_difference(kitctl, kit, packed, repository) -> None:
    (kit / "model.bin").write_bytes(b"other")
    kitctl("pack", kit, "-t", f"{repository}:v2").ok()
    out = kitctl("diff", packed, f"{repository}:v2").ok().out
    assert re.search(r"^model +model.bin +changed ", out, re.MULTILINE)
    assert "| model" in kitctl("diff", packed, f"{repository}:v2", "--markdown").ok().out
    answer = kitctl("diff", packed, f"{repository}:v2", "--json").ok().json
    assert answer["same"] is False
    assert answer["reference"].startswith(f"{repository}:v2@")
    assert answer["digest"] in answer["reference"]


def test_diff_of_a_modelkit_with_itself_is_empty(kitctl, packed) -> None:
    assert "No difference." in kitctl("diff", packed, packed).ok().out


def test_sign_and_verify(kitctl, packed, key) -> None:
    assert kitctl("sign", packed, "--key", key, "--json").ok().json["signatures"]
    assert kitctl("verify", packed, "--key", key.with_suffix(".pub"), "--json").ok().json["isVerified"] is True


def test_verify_without_a_signature_leaves_with_1(kitctl, packed, key) -> None:
    kitctl("verify", packed, "--key", key.with_suffix(".pub")).refused()


def test_attest_tells_the_modelkits_digest_apart_from_the_statements(kitctl, packed, here) -> None:
    (here / "scan.json").write_text('{"found": 0}')
    answer = kitctl(
        "attest", packed, "--type", "https://example.com/scan", "--predicate", here / "scan.json", "--json"
    ).ok()
    assert answer.json["digest"] == kitctl("inspect", packed, "--json").json["digest"]
    assert answer.json["statement"]["digest"] != answer.json["digest"]


QUESTIONS = ("lineage", "passport", "timeline", "sign-offs", "where-deployed", "training-data")


@pytest.mark.parametrize("verb", QUESTIONS)
def test_a_question_is_answered_as_text_json_and_markdown(kitctl, packed, key, policy, verb) -> None:
    kitctl("approve", packed, "--stage", "production", "--policy", policy, "--key", key).ok()
    kitctl("record-deployment", packed, "--environment", "prod", "--name", "iris").ok()
    text = kitctl(verb, packed).ok().out
    assert "|" not in text
    assert "**" not in text
    assert not text.startswith("#")
    answer = kitctl(verb, packed, "--json").ok().json
    assert answer["reference"].startswith(packed.rpartition(":")[0])
    if verb != "where-deployed":  # that is a question to the repository
        assert DIGEST.fullmatch(answer["digest"])
    assert kitctl(verb, packed, "--markdown").ok().out.startswith("# ")


def test_passport_is_written_as_one_html_file(kitctl, packed, here) -> None:
    kitctl("passport", packed, "--html", here / "iris.html", "--cyclonedx", here / "iris.cdx.json").ok()
    assert "<html" in (here / "iris.html").read_text()
    assert '"bomFormat": "CycloneDX"' in (here / "iris.cdx.json").read_text()
    assert sorted(path.name for path in here.iterdir()) == ["iris.cdx.json", "iris.html", "kit"]


def test_timeline_of_a_tag_is_about_that_version(kitctl, kit, packed, repository) -> None:
    (kit / "model.bin").write_bytes(b"other")
    kitctl("pack", kit, "-t", f"{repository}:v2").ok()
    assert len(kitctl("timeline", repository, "--json").ok().json["events"]) == 2
    assert len(kitctl("timeline", packed, "--json").ok().json["events"]) == 1


def test_a_promotion_from_plan_to_rollback(kitctl, packed, repository, key, policy, trust) -> None:
    common = ("--policy", policy, "--trust", trust)
    assert kitctl("plan", packed, "--stage", "staging", *common, "--json").ok().json["ready"] is True
    promoted = kitctl("promote", packed, "--stage", "staging", *common, "--key", key, "--json").ok().json
    assert promoted["reference"].startswith(f"{repository}:staging@")
    waiting = kitctl("plan", packed, "--stage", "production", *common)
    assert waiting.code == 1
    assert "waiting" in waiting.out
    assert "|" not in waiting.out
    approved = kitctl("approve", packed, "--stage", "production", "--policy", policy, "--key", key, "--json").ok()
    assert approved.json["digest"] == promoted["digest"]
    kitctl("promote", packed, "--stage", "production", *common, "--key", key).ok()
    status = kitctl("status", repository, *common).ok().out
    assert re.search(r"^production +[0-9a-f]{12} ", status, re.MULTILINE)
    assert "Ada" in kitctl("sign-offs", packed, "--trust", trust).ok().out


def test_status_of_one_stage_takes_a_tagged_reference(kitctl, packed, policy) -> None:
    answer = kitctl("status", packed, "--stage", "production", "--policy", policy, "--json").ok().json
    assert answer["stages"][0]["stage"] == "production"


def test_a_rejection_blocks(kitctl, packed, key, policy, trust) -> None:
    rejected = kitctl("reject", packed, "--stage", "production", "--policy", policy, "--key", key, "--json").ok()
    assert rejected.json["statement"]["isSigned"] is True
    ran = kitctl("promote", packed, "--stage", "production", "--policy", policy, "--trust", trust, "--key", key)
    ran.refused()


def test_freeze_closes_a_stage(kitctl, packed, repository, policy) -> None:
    kitctl("promote", packed, "--stage", "staging", "--policy", policy).ok()
    kitctl("freeze", repository, "--stage", "staging", "--reason", "audit", "--policy", policy).ok()
    kitctl("tag", packed, "again").ok()
    assert kitctl("plan", packed, "--stage", "staging", "--policy", policy).code == 1
    opened = kitctl(
        "freeze", repository, "--stage", "staging", "--reason", "over", "--policy", policy, "--thaw", "--json"
    )
    assert opened.ok().json["statement"]["isNew"] is True


def test_an_archive_carries_a_modelkit_across(kitctl, packed, here) -> None:
    out = kitctl("save", packed, "-o", here / "iris.tar", "--json").ok().json
    there = kitctl("load", here / "iris.tar", "--to", f"file://{here}/inside/iris", "--json").ok().json
    assert there["modelkits"][0]["digest"] == out["modelkits"][0]["digest"]
    assert there["digest"] == out["digest"]


def test_the_former_names_of_save_and_load_are_taken_and_not_shown(kitctl, packed, here) -> None:
    kitctl("export", packed, "-o", here / "iris.tar").ok()
    kitctl("import-layout", here / "iris.tar", "--to", f"file://{here}/inside/iris").ok()
    assert "import-layout" not in kitctl("--help").ok().out


def test_init_writes_a_kitfile_that_packs(kitctl, kit, repository) -> None:
    (kit / "Kitfile").unlink()
    kitctl("init", kit, "--name", "flowers").ok()
    kitctl("pack", kit, "-t", f"{repository}:v1").ok()
    assert kitctl("info", f"{repository}:v1", "-f", "package.name").ok().out == "flowers\n"


def test_init_leaves_a_kitfile_that_is_there(kitctl, kit) -> None:
    before = (kit / "Kitfile").read_text()
    kitctl("init", kit).refused()
    assert (kit / "Kitfile").read_text() == before
    kitctl("init", kit, "--force").ok()
    assert (kit / "Kitfile").read_text() != before


def test_init_can_print_and_write_nothing(kitctl, kit) -> None:
    (kit / "Kitfile").unlink()
    assert yaml.safe_load(kitctl("init", kit, "--stdout").ok().out)["manifestVersion"]
    assert not (kit / "Kitfile").exists()


def test_import_packs_a_commit_of_a_git_repository(kitctl, kit, repository, here, monkeypatch) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "ada@example.com")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run(["git", *arguments], cwd=kit, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=kit, check=True, capture_output=True, text=True).stdout
    answer = kitctl("import", f"file://{kit}", "-t", f"{repository}:v1", "--json").ok().json
    assert answer["revision"] == commit.strip()
    assert kitctl("info", f"{repository}:v1", "-f", "package.name").ok().out == "iris\n"


def test_import_takes_a_token_by_the_name_of_its_variable(kitctl, repository) -> None:
    ran = kitctl("import", "org/model", "-t", f"{repository}:v1", "--token-env", "NOBODY_SET_THIS")
    assert ran.code == 2
    assert "NOBODY_SET_THIS" in ran.err


def test_deploy_needs_a_registry(kitctl, packed) -> None:
    assert "registry" in kitctl("deploy", packed, "--target", "kubernetes").refused()


def test_cache_is_shown_and_cleared(kitctl, packed, tmp_path) -> None:
    (tmp_path / "cache" / "kitops-orchestration" / "unpacked").mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache" / "kitops-orchestration" / "unpacked" / "file").write_bytes(b"x" * 2048)
    assert re.search(r"^unpacked +1 +2.0 KiB$", kitctl("cache", "info").ok().out, re.MULTILINE)
    assert kitctl("cache", "clear", "--json").ok().json["freed"] >= 2048
    assert kitctl("cache", "info", "--json").ok().json["size"] == 0


def test_cache_is_pruned_of_what_nobody_used_lately_and_nobody_holds(kitctl, tmp_path) -> None:
    root = tmp_path / "cache" / "kitops-orchestration"
    old = time.time() - 40 * 86_400
    for name in ("unpacked/old", "unpacked/new", "views/left", "views/held", "imports/held", "locks/stage.lock"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.startswith("locks"):
            path.write_bytes(b"")
        else:
            path.mkdir()
            (path / "file").write_bytes(b"x" * 1024)
        if not name.endswith("new"):
            os.utime(path, (old, old))
    holders = [os.open(root / "views/held", os.O_RDONLY), os.open(root / "imports/held.lock", os.O_CREAT | os.O_RDWR)]
    for holder in holders:
        fcntl.flock(holder, fcntl.LOCK_EX)

    would = kitctl("cache", "prune", "--dry-run", "--json").ok().json
    assert (would["isDryRun"], would["freed"]) == (True, 2048)
    assert (root / "unpacked/old").exists()
    assert kitctl("cache", "prune").ok().out == "freed  2.0 KiB\n"
    kept = {"unpacked/new", "views/held", "imports/held"}
    assert {str(path.parent.relative_to(root)) for path in root.rglob("file")} == kept

    assert kitctl("cache", "clear", "--json").ok().json["freed"] == 1024  # what is held stays
    assert (root / "locks/stage.lock").exists()
    for holder in holders:
        os.close(holder)
    assert kitctl("cache", "clear", "--json").ok().json["freed"] == 2048


def test_of_cached_evidence_what_is_still_read_stays(kitctl, tmp_path) -> None:
    folder = tmp_path / "cache" / "kitops-orchestration" / "evidence"
    cache, old = ContentCache(folder), time.time() - 40 * 86_400
    contents = [b"read today", b"read long ago"]
    for content in contents:
        cache.put(Digest.of(content), content)
    for path in folder.rglob("*"):
        os.utime(path, (old, old))
    assert cache.get(Digest.of(contents[0])) == contents[0]

    kitctl("cache", "prune").ok()

    assert [cache.get(Digest.of(content)) for content in contents] == [contents[0], None]


def test_list_of_a_folder_shows_every_repository_with_its_author(kitctl, packed, tmp_path) -> None:
    kitctl("copy", packed, f"file://{tmp_path}/models/team/other:v2").ok()
    root = packed.removeprefix("file://").rpartition("/")[0]
    kitctl("copy", packed, f"file://{root}/nested/copy:v3").ok()

    out = kitctl("list", f"file://{root}").ok().out
    assert re.search(r"^repository +tag +name +version +author +size +digest$", out, re.MULTILINE)
    assert re.search(r"^nested/copy +v3 +iris +1\.0\.0 +Ada ", out, re.MULTILINE)
    held = kitctl("list", f"file://{root}", "--json").ok().json["modelkits"]
    assert {"v3", "v1"} <= {item["tag"] for item in held}
    assert held[0]["authors"] == ["Ada"]
    assert held[0]["model"] == "iris"


def test_unpack_says_which_data_stays_elsewhere(kitctl, kit, repository, tmp_path) -> None:
    kitfile = (kit / "Kitfile").read_text()
    remote = "  - {name: far, path: data/far.csv, remotePath: 's3://bucket/far.csv', remoteHash: abc}\n"
    (kit / "Kitfile").write_text(kitfile.replace("code:", remote + "code:"))
    kitctl("pack", kit, "-t", f"{repository}:v1").ok()

    ran = kitctl("unpack", f"{repository}:v1", "-d", str(tmp_path / "out"), "--json").ok()
    assert "warning: dataset far: stays in s3://bucket/far.csv, not asked for" in ran.err
    assert ran.json["warnings"] == ["dataset far: stays in s3://bucket/far.csv, not asked for"]


def test_diff_names_the_files_of_a_folder_and_of_an_attached_list(kitctl, kit, repository) -> None:
    kitctl("pack", kit, "-t", f"{repository}:v1", "--attach-files").ok()
    (kit / "model.bin").write_bytes(b"other weights")
    kitctl("pack", kit, "-t", f"{repository}:v2", "--attach-files").ok()

    for flag in ("--files", "--no-files"):  # with the lists no layer is needed
        answer = kitctl("diff", f"{repository}:v1", f"{repository}:v2", flag, "--json").ok().json
        assert answer["files"] == {"added": [], "removed": [], "changed": ["model.bin"]}
        assert answer["fileSizes"][0]["rightSizeBytes"] == len(b"other weights")
    assert "model.bin" in kitctl("diff", f"{repository}:v1", f"{repository}:v2").ok().out


def test_diff_reads_layers_only_where_it_may(kitctl, kit, repository) -> None:
    kitctl("pack", kit, "-t", f"{repository}:v1").ok()
    (kit / "model.bin").write_bytes(b"other weights")
    kitctl("pack", kit, "-t", f"{repository}:v2").ok()

    answers = [
        kitctl("diff", f"{repository}:v1", f"{repository}:v2", flag, "--json").ok().json["files"]
        for flag in ("--files", "--no-files")
    ]
    assert answers == [{"added": [], "removed": [], "changed": ["model.bin"]}, None]


def test_doctor_without_a_registry_looks_at_this_machine(kitctl) -> None:
    findings = kitctl("doctor", "--json").json["findings"]
    names = {finding["name"] for finding in findings}
    assert {"disk", "cache", "secrets", "extra mlflow", "extra airflow", "extra dagster", "extra signing"} <= names
    assert "extra all" not in names


def test_doctor_says_what_is_wrong_and_leaves_with_1(kitctl) -> None:
    ran = kitctl("doctor", "127.0.0.1:1")
    assert ran.code == 1
    assert re.search(r"^wrong +registry .*connection refused.* check host and port", ran.out, re.MULTILINE)
    # A narrow terminal shows it row by row: a column without a name is a line without one.
    assert ran.out.split()[0] == "verdict"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(kitctl, shell) -> None:
    script = kitctl("completion", shell).ok().out
    assert "_KITCTL_COMPLETE" in script
    assert kitctl("completion", shell, "--json").ok().json == {"shell": shell, "script": script.removesuffix("\n")}


def test_version_names_what_is_installed(kitctl) -> None:
    answer = kitctl("version", "--json").ok().json
    assert answer["kitctl"] == kitctl("--version").ok().out.split()[1]
    assert "oras" in answer


def test_progress_is_one_plain_line_for_each_layer(kitctl, kit, repository) -> None:
    err = kitctl("pack", kit, "-t", f"{repository}:v1", "--progress", "plain").ok().err
    assert len([line for line in err.splitlines() if line.startswith("push model model.bin 8.5 KiB")]) == 1


def test_progress_leaves_json_alone(kitctl, kit, repository) -> None:
    ran = kitctl("pack", kit, "-t", f"{repository}:v1", "--progress", "fancy", "--json").ok()
    assert ran.json["digest"]


@pytest.mark.needs("signing")
def test_keygen_writes_a_private_key_for_its_owner_alone(kitctl, here) -> None:
    answer = kitctl("keygen", "-o", here / "release", "--json").ok().json
    assert Path(answer["private"]).stat().st_mode & 0o077 == 0


def test_the_gate_of_a_deployment_leaves_with_0_1_or_a_usage_error(
    kitctl, packed, repository, key, policy, trust
) -> None:
    common = ("--policy", policy, "--trust", trust)
    gate = ("status", repository, "--strict", *common)
    assert kitctl(*gate, "--stage", "staging").code == 1
    kitctl("promote", packed, "--stage", "staging", "--key", key).ok()
    refused = kitctl(*gate, "--stage", "staging", "--json")
    assert (refused.code, refused.json["stages"][0]["answer"]) == (1, "no")
    assert "without a policy" in refused.json["stages"][0]["reason"]
    done = kitctl("promote", packed, "--stage", "staging", *common, "--key", key).ok()
    assert done.out.startswith("recorded")
    assert kitctl(*gate, "--stage", "staging").code == kitctl(*gate).code == 0
    assert kitctl(*gate, "--stage", "staging", "--digest", "sha256:" + "0" * 64).code == 1
    for wrong in (("status", repository, "--strict", "--policy", policy), (*gate, "--digest", "sha256:" + "0" * 64)):
        assert kitctl(*wrong).code == 2


def test_validate_names_everything_that_was_looked_at(kitctl, packed) -> None:
    answer = kitctl("validate", packed, "--json").ok().json
    assert answer["valid"]
    assert [each["name"] for each in answer["findings"]][:3] == ["manifest", "types", "kitfile"]
    assert re.search(r"^ok +blobs +4 blobs", kitctl("validate", packed).ok().out, re.MULTILINE)
    assert re.search(r"^note +content +not read", kitctl("validate", packed, "--quick").ok().out, re.MULTILINE)


def test_validate_leaves_with_1_when_something_is_wrong_and_says_where(kitctl, packed, repository) -> None:
    layer = kitctl("inspect", packed, "--json").ok().json["manifest"]["layers"][0]["digest"]
    folder = Path(repository.removeprefix("file://"))
    (folder / "blobs" / layer.replace(":", "/")).write_bytes(b"")
    for more in ([], ["--quick"]):
        ran = kitctl("validate", packed, *more)
        assert ran.code == 1
        assert re.search(rf"^wrong +blobs +.*{layer[:19]}", ran.out, re.MULTILINE)
        assert not kitctl("validate", packed, *more, "--json").json["valid"]


def test_validate_of_nothing_is_an_error_and_no_verdict(kitctl, packed, repository) -> None:
    ran = kitctl("validate", f"{repository}:v9", "--json")
    assert ran.code == 1
    assert "findings" not in ran.json


def test_a_variant_of_an_index_is_inspected_unpacked_and_promoted(kitctl, tmp_path: Path) -> None:
    from dataclasses import replace

    from kitops_orchestration import KitClient
    from kitops_orchestration.oci.manifest import Index

    client = KitClient(f"file://{tmp_path}/models")
    repository = client.repository("llama")
    kits = []
    for name in ("q4", "q8"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w.bin").write_text(name)
        (tmp_path / name / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: w.bin}\n")
        kits.append(repository.resolve(client.pack(tmp_path / name, "llama").digest))
    entries = [replace(kit, annotations={"quantization": name}) for kit, name in zip(kits, ("q4", "q8"), strict=True)]
    repository.push_manifest(Index.build(entries), tag="v1")
    place = f"file://{tmp_path}/models/llama"

    shown = kitctl("inspect", f"{place}:v1", "--variant", "quantization=q8", "--json").json
    assert shown["digest"] == kits[1].digest
    assert kitctl("unpack", f"{place}:v1", "--variant", "quantization=q4", "-d", str(tmp_path / "out")).code == 0
    assert kitctl("promote", f"{place}:v1", "--variant", "quantization=q4", "--stage", "staging").code == 0
    assert (tmp_path / "out" / "w.bin").read_text() == "q4"
    assert repository.resolve("staging").digest == kits[0].digest
    assert repository.resolve("v1").digest not in [kit.digest for kit in kits]
    assert kitctl("unpack", f"{place}:v1", "--variant", "quantization=q2", "-d", str(tmp_path / "no")).code == 1
