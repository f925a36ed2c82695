"""A Kitfile for a directory that has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.modelkit.generate.generate import generate
from kitops_orchestration.modelkit.generate.licenses import detect_license
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.layout import LayoutRepository

MIT = """MIT License

Copyright (c) 2024 Someone

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software.

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.
"""
APACHE = "                                 Apache License\n                           Version 2.0, January 2004\n"
MakeContext = Callable[..., Path]


def paths(kitfile: Kitfile) -> dict[str, list[str]]:
    """Return the paths of every section, the model's first."""
    found: dict[str, list[str]] = {}
    for kind, entry in kitfile.entries():
        found.setdefault(kind, []).append(entry.path)
    return found


def files(names: str) -> dict[str, str]:
    return {name: f"content of {name[-1]}" for name in names.split()}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            "a.gguf b.safetensors c.pkl d.pb a.tar b.csv c.zip a.md b.adoc c.pdf README.md LICENSE run.sh",
            {
                "model": ["a.gguf"],
                "modelpart": ["b.safetensors", "c.pkl", "d.pb"],
                "code": ["."],
                "dataset": ["a.tar", "b.csv", "c.zip"],
                "docs": ["LICENSE", "README.md", "a.md", "b.adoc", "c.pdf"],
            },
        ),
        (
            (
                "src/t.sh pkg/t.sh lib/t.sh build/t.sh docs/anything models/a.gguf models/b.gguf models/z.json "
                "data/1.zip data/2.zip data/z.json texts/a.md texts/b.pdf mixed/a.md mixed/b.csv mixed/c.json"
            ),
            {
                "model": ["models/a.gguf"],
                "modelpart": ["models/b.gguf", "models/z.json"],
                "code": ["build", "lib", "pkg", "src", "mixed"],
                "dataset": ["data"],
                "docs": ["docs", "texts"],
            },
        ),
        (
            (
                "AGENTS.md CLAUDE.md my.prompt.md t.prompt.pdf x.prompt prompts/a.prompt.one prompts/b.prompt "
                "mixed/my.prompt.m mixed/notes.md notes.md README.md"
            ),
            {
                "prompt": ["AGENTS.md", "CLAUDE.md", "my.prompt.md", "t.prompt.pdf", "x.prompt", "prompts"],
                "docs": ["README.md", "notes.md"],
                "code": ["mixed"],
            },
        ),
        (
            "files.mcpb servers/extra.mcpb README.md",
            {"docs": ["README.md"], "mcpb": ["files.mcpb", "servers/extra.mcpb"]},
        ),
        ("a.csv meta.json", {"dataset": ["a.csv", "meta.json"]}),
        ("m.onnx meta.json", {"model": ["m.onnx"], "modelpart": ["meta.json"]}),
        ("deep/er/x.onnx", {"code": ["deep"]}),
        ("mixed/w.onnx mixed/x.csv", {"model": ["mixed/w.onnx"], "code": ["mixed"]}),
        ("1/a.x 2/a.x 3/a.x 4/a.x 5/a.x", {"code": ["1", "2", "3", "4", "5"]}),
        ("1/a.x 2/a.x 3/a.x 4/a.x 5/a.x 6/a.x src/b.py", {"code": ["."]}),
        ("Kitfile .DS_Store Thumbs.db a.csv", {"dataset": ["a.csv"]}),
        ("", {}),
    ],
)
def test_files_go_where_kit_init_puts_them(
    names: str, expected: dict[str, list[str]], make_context: MakeContext
) -> None:
    assert paths(generate(make_context(files(names)))) == expected


def test_the_package_is_filled_from_the_arguments(make_context: MakeContext) -> None:
    kitfile = generate(make_context(files("a.csv")), name="iris", description="rows", author="Ada")

    assert kitfile.to_yaml() == (
        "manifestVersion: 1.0.0\npackage:\n  name: iris\n  description: rows\n  authors: [Ada]\n"
        "datasets:\n  - path: a.csv\n"
    )


def test_one_large_file_is_the_model_and_gives_the_name(make_context: MakeContext) -> None:
    model = generate(make_context({"a.bin": "1" * 10, "big.bin": "2" * 100, "c.bin": "3" * 10})).model

    assert model is not None
    assert (model.name, model.path) == ("big", "big.bin")
    assert [part.path for part in model.parts] == ["a.bin", "c.bin"]


@pytest.mark.parametrize(
    ("names", "where"),
    [
        ("m.onnx a.csv", "model"),
        ("a.csv", "datasets"),
        ("run.sh", "code"),
        ("a.csv b.csv", "package"),
    ],
)
def test_a_detected_licence_goes_to_what_it_can_mean(names: str, where: str, make_context: MakeContext) -> None:
    kitfile = generate(make_context({**files(names), "LICENSE": MIT}))

    found = {
        "model": kitfile.model.license if kitfile.model else "",
        "datasets": "".join(dataset.license for dataset in kitfile.datasets),
        "code": "".join(code.license for code in kitfile.code),
        "package": kitfile.package.license,
    }
    assert found == {**dict.fromkeys(found, ""), where: "MIT"}


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        (MIT, "MIT"),
        (APACHE, "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007", "GPL-3.0"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3\n" + "x " * 900 + "GNU General Public License", "AGPL-3.0"),
        ("Mozilla Public License Version 2.0", "MPL-2.0"),
        ("Creative Commons Attribution-NonCommercial 4.0 International", "CC-BY-NC-4.0"),
        ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
        (MIT + APACHE, None),
        ("All rights reserved.", None),
        ("", None),
    ],
)
def test_licence_texts_are_told_apart(text: str, identifier: str | None) -> None:
    assert detect_license(text) == identifier


def test_a_skill_is_one_prompt(make_context: MakeContext) -> None:
    skill = "---\nname: review\ndescription: Reviews code\nlicense: MIT\n---\n# Review\n"

    alone = generate(make_context({"SKILL.md": skill, "scripts/run.py": "x"}, "alone"))
    inside = generate(make_context({"review/SKILL.md": skill, "review/run.py": "x", "m.onnx": "m"}, "inside"))

    assert alone.to_yaml() == (
        "manifestVersion: 1.0.0\npackage:\n  name: review\n  description: Reviews code\n  license: MIT\n"
        "prompts:\n  - name: review\n    path: .\n    description: Reviews code\n"
    )
    assert paths(inside) == {"model": ["m.onnx"], "prompt": ["review"]}
    assert inside.package.name == ""


def test_an_mlflow_model_is_recognised(make_context: MakeContext, repository: LayoutRepository) -> None:
    mlmodel = """flavors:
  python_function: {loader_module: mlflow.sklearn}
  sklearn:
    serialization_format: cloudpickle
    sklearn_version: 1.5.0
mlflow_version: 3.4.0
model_id: m-123
run_id: abc
metadata: {license: MIT, description: A model}
utc_time_created: '2026-01-01 00:00:00'
"""
    context = make_context({"MLmodel": mlmodel, "model.pkl": "x", "requirements.txt": "scikit-learn"}, "iris")

    kitfile = generate(context)

    assert kitfile.model is not None
    model = kitfile.model
    assert (model.name, model.path, model.framework, model.format, model.version) == (
        "iris",
        ".",
        "sklearn",
        "cloudpickle",
        "m-123",
    )
    assert (model.license, model.description) == ("MIT", "A model")
    assert model.parameters["mlflow"]["run_id"] == "abc"
    assert model.parameters["mlflow"]["framework_version"] == "1.5.0"
    assert pack(context, repository, kitfile=kitfile).layers[0].kind == "model"


CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
base_model: meta/llama
language: [en]
---
# Tiny

A tiny model
for tests.
"""


def test_a_hugging_face_snapshot_is_recognised(make_context: MakeContext, repository: LayoutRepository) -> None:
    context = make_context(
        {
            "README.md": CARD,
            "LICENSE": APACHE,
            "config.json": json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}),
            "model-00001-of-00002.safetensors": "1",
            "model-00002-of-00002.safetensors": "22",
            "tokenizer.json": "{}",
            "modeling.py": "x",
            "1_Pooling/config.json": "{}",
            "onnx/model.onnx": "3",
            "onnx/extra.json": "{}",
            ".gitattributes": "*.bin lfs",
        },
        "tiny",
    )

    kitfile = generate(context)

    assert kitfile.model is not None
    model = kitfile.model
    assert (model.name, model.path, model.format, model.framework, model.license, model.description) == (
        "tiny",
        "model-00001-of-00002.safetensors",
        "safetensors",
        "transformers",
        "Apache-2.0",
        "A tiny model for tests.",
    )
    assert {part.path: part.type for part in model.parts} == {
        "model-00002-of-00002.safetensors": "",
        "onnx/model.onnx": "",
        "config.json": "config",
        "tokenizer.json": "tokenizer",
        "1_Pooling": "",
        "onnx/extra.json": "",
    }
    assert model.parameters["huggingface"]["base_model"] == "meta/llama"
    assert paths(kitfile)["docs"] == ["LICENSE", "README.md"]
    assert paths(kitfile)["code"] == ["modeling.py"]
    assert len(pack(context, repository, kitfile=kitfile).layers) == 10


@pytest.mark.parametrize("card", ["---\n: bad [yaml\n---\nText", "---\nno end", "", "\xff"])
def test_a_broken_model_card_is_only_a_missing_hint(card: str, make_context: MakeContext) -> None:
    context = make_context({"README.md": card, "config.json": "{broken", "w.safetensors": "1", "MLmodel.txt": ""})

    assert paths(generate(context))["model"] == ["w.safetensors"]
