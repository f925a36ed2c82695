"""Directories that say themselves what they are: MLflow models and Hugging Face snapshots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kitops_orchestration.modelkit.generate.directory_listing import FoundDirectory, FoundFile
from kitops_orchestration.modelkit.generate.file_types import format_of, type_of
from kitops_orchestration.modelkit.generate.licenses import detect_license
from kitops_orchestration.modelkit.kitfile import (
    KITFILE_NAMES,
    MANIFEST_VERSION,
    Code,
    Dataset,
    Doc,
    Kitfile,
    Model,
    ModelPart,
    Package,
    Prompt,
)
from kitops_orchestration.modelkit.kitfile.front_matter import read_front_matter, read_yaml, text_field

_MLMODEL = "MLmodel"
_HF_MARKS = ("config.json", "adapter_config.json", "model_index.json", "config_sentence_transformers.json")
_PART_TYPES = {
    "config.json": "config",
    "generation_config.json": "config",
    "preprocessor_config.json": "config",
    "adapter_config.json": "config",
    "tokenizer.json": "tokenizer",
    "tokenizer_config.json": "tokenizer",
    "tokenizer.model": "tokenizer",
    "vocab.json": "tokenizer",
    "vocab.txt": "tokenizer",
    "merges.txt": "tokenizer",
    "special_tokens_map.json": "tokenizer",
    "added_tokens.json": "tokenizer",
}
_CODE_SUFFIXES = (".py", ".ipynb", ".sh", ".cpp", ".cu", ".js", ".ts")
_PREFERRED = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".onnx", ".h5")


def recognise(context_dir: Path, listing: FoundDirectory) -> Kitfile | None:
    """Return the Kitfile of an MLflow model or a Hugging Face snapshot, or ``None`` for any other directory."""
    if listing.find(_MLMODEL):
        return _mlflow(context_dir, listing)
    card = read_front_matter(context_dir / "README.md")
    weights = [file for file in listing.all_files() if type_of(file.name) == "model"]
    if weights and any(listing.find(name) for name in _HF_MARKS):
        return _hugging_face(context_dir, listing, card, weights)
    return None


# -- MLflow


def _mlflow(context_dir: Path, listing: FoundDirectory) -> Kitfile:
    described = read_yaml(_read(context_dir / _MLMODEL), _MLMODEL)
    flavors = described.get("flavors") if isinstance(described.get("flavors"), dict) else {}
    framework = next((name for name in flavors or {} if name != "python_function"), "python_function")
    flavor = (flavors or {}).get(framework)
    flavor = flavor if isinstance(flavor, dict) else {}
    form = text_field(flavor, "serialization_format") or _format_in(listing)
    metadata = described.get("metadata") if isinstance(described.get("metadata"), dict) else {}
    name = text_field(described, "name") or text_field(metadata or {}, "name") or context_dir.absolute().name
    license_name = text_field(metadata or {}, "license") or _license_of(context_dir, listing)
    card = next((file for file in listing.files if file.name.lower().startswith("readme")), None)
    model = Model(
        name=name,
        path=".",
        license=license_name,
        framework=framework,
        format=form,
        version=text_field(described, "model_id") or text_field(described, "model_uuid"),
        description=text_field(metadata or {}, "description"),
        parameters=_mlflow_parameters(described, flavor),
    )
    docs = (Doc(path=card.path, description="Readme file"),) if card is not None else ()
    return Kitfile(MANIFEST_VERSION, Package(name=name, license=license_name), model, docs=docs)


def _mlflow_parameters(described: dict[str, Any], flavor: dict[str, Any]) -> dict[str, Any]:
    facts = {
        "run_id": text_field(described, "run_id"),
        "mlflow_version": text_field(described, "mlflow_version"),
        "utc_time_created": str(described.get("utc_time_created") or ""),
        "signature": described.get("signature") if isinstance(described.get("signature"), dict) else None,
    }
    version = next((value for key, value in flavor.items() if key.endswith("_version")), None)
    facts["framework_version"] = version if isinstance(version, str) else ""
    return {"mlflow": {key: value for key, value in facts.items() if value}}


def _format_in(listing: FoundDirectory) -> str:
    forms = [(file.size, form) for file in listing.all_files() if (form := format_of(file.name))]
    return max(forms)[1] if forms else ""


# -- Hugging Face


def _hugging_face(
    context_dir: Path, listing: FoundDirectory, card: dict[str, Any], weights: list[FoundFile]
) -> Kitfile:
    config = _json(context_dir / "config.json")
    main = _main_weights(weights)
    name = text_field(card, "model_name") or text_field(config, "_name_or_path") or context_dir.absolute().name
    license_name = _card_license(card) or _license_of(context_dir, listing)
    framework = text_field(card, "library_name") or ("transformers" if config.get("architectures") else "")
    model = Model(
        name=name.rpartition("/")[2],
        path=main.path,
        license=license_name,
        framework=framework,
        format=format_of(main.name),
        description=_card_description(context_dir, card),
        parts=tuple(_hf_parts(listing, weights, main)),
        parameters=_hf_parameters(config, card),
    )
    return Kitfile(
        MANIFEST_VERSION,
        Package(name=model.name, description=model.description, license=license_name),
        model,
        tuple(Code(path=file.path) for file in listing.files if file.name.endswith(_CODE_SUFFIXES)),
        tuple(Dataset(path=file.path) for file in listing.files if type_of(file.name) == "dataset"),
        tuple(_hf_docs(listing)),
        tuple(Prompt(path=file.path) for file in listing.files if type_of(file.name) == "prompt"),
    )


def _main_weights(weights: list[FoundFile]) -> FoundFile:
    """Choose among the preferred format the first shard of the largest file family."""
    for suffix in _PREFERRED:
        of_format = [file for file in weights if file.name.endswith(suffix)]
        if of_format:
            top = [file for file in of_format if "/" not in file.path] or of_format
            shards = [file for file in top if "-of-" in file.name]
            return shards[0] if shards else max(top, key=lambda file: file.size)
    return max(weights, key=lambda file: file.size)


def _hf_parts(listing: FoundDirectory, weights: list[FoundFile], main: FoundFile) -> list[ModelPart]:
    taken = {file.path for file in weights}
    parts = [ModelPart(path=file.path) for file in weights if file is not main]
    for file in listing.files:
        is_part = file.name in _PART_TYPES or type_of(file.name) in ("metadata", "unknown")
        is_text = file.name.lower().startswith(("readme", "license", "notice")) or file.name.endswith(_CODE_SUFFIXES)
        if is_part and not is_text and file.path not in taken and file.name not in KITFILE_NAMES:
            parts.append(ModelPart(path=file.path, type=_PART_TYPES.get(file.name, "")))
    for directory in listing.directories:
        covered = {file.path for file in directory.all_files()} & taken
        if not covered:
            parts.append(ModelPart(path=directory.path))
        else:
            rest = [file for file in directory.all_files() if file.path not in taken]
            parts += [ModelPart(path=file.path) for file in rest]
    return parts


def _hf_docs(listing: FoundDirectory) -> list[Doc]:
    docs = []
    for file in listing.files:
        lower = file.name.lower()
        if lower.startswith("readme"):
            docs.append(Doc(path=file.path, description="Model card"))
        elif lower.startswith(("license", "notice")):
            docs.append(Doc(path=file.path, description="License file"))
        elif type_of(file.name) == "docs":
            docs.append(Doc(path=file.path))
    return docs


def _hf_parameters(config: dict[str, Any], card: dict[str, Any]) -> dict[str, Any] | None:
    facts = {key: config[key] for key in ("architectures", "model_type", "torch_dtype", "dtype") if config.get(key)}
    facts |= {key: card[key] for key in ("pipeline_tag", "base_model", "datasets", "language") if card.get(key)}
    return {"huggingface": facts} if facts else None


def _card_license(card: dict[str, Any]) -> str:
    name = text_field(card, "license")
    spdx = {
        "apache-2.0": "Apache-2.0",
        "mit": "MIT",
        "bsd-3-clause": "BSD-3-Clause",
        "bsd-2-clause": "BSD-2-Clause",
        "cc0-1.0": "CC0-1.0",
        "gpl-3.0": "GPL-3.0",
        "mpl-2.0": "MPL-2.0",
        "unlicense": "Unlicense",
    }
    if name == "other":
        return text_field(card, "license_name") or name
    return spdx.get(name, name.upper() if name.startswith("cc-by") else name)


def _card_description(context_dir: Path, card: dict[str, Any]) -> str:
    """Return the first paragraph of the model card after its title."""
    given = text_field(card, "description")
    if given:
        return given
    text = _read(context_dir / "README.md")
    if text.startswith("---"):
        text = text.partition("\n---")[2].partition("\n")[2]
    for block in text.split("\n\n"):
        plain = " ".join(block.split())
        if plain and not plain.startswith(("#", "<", "!", "[", "|", "```", "-", "*")):
            return plain[:500]
    return ""


def _license_of(context_dir: Path, listing: FoundDirectory) -> str:
    file = next((file for file in listing.files if file.name.lower().startswith("license")), None)
    return (detect_license(_read(context_dir / file.path)) or "") if file is not None else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
