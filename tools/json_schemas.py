"""Write docs/reference/schemas: a JSON Schema for what each verb prints with ``--json``, and the page that lists them.

``make docs`` runs this, and a test compares.  A shape that several verbs share is written once, in ``SHARED``, and put
into the schemas that use it.  An object is closed unless others write into it, as into a Kitfile.

A member that is added makes a new version of its schema, and so does one that goes or changes its type.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kitops_orchestration.cli.main import VERBS
from kitops_orchestration.lineage.statements.card import MAX_LETTERS, MAX_SECTIONS, SECTIONS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference" / "schemas"
PAGE = FOLDER.with_name("json.md")
VERSIONS: dict[str, int] = {}
"""Schemas that have another version than 1."""

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
ANY: Schema = {}
MAP: Schema = {"type": "object"}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema) -> Schema:
    """Any number of these."""
    return {"type": "array", "items": schema}


def shared(name: str) -> Schema:
    """One of ``SHARED``."""
    return {"$ref": f"#/$defs/{name}"}


def words(*values: str) -> Schema:
    """One of these words."""
    return {"enum": list(values)}


def members(
    needed: Mapping[str, Schema], other: Mapping[str, Schema] | None = None, *, is_open: bool = False
) -> Schema:
    """An object with members that are always there, and others that may be; closed unless ``is_open``."""
    found: Schema = {"type": "object", "properties": {**needed, **(other or {})}, "required": list(needed)}
    return found if is_open else {**found, "additionalProperties": False}


def map_of(schema: Schema) -> Schema:
    """An object whose names are not known."""
    return {"type": "object", "additionalProperties": schema}


DIGEST, REFERENCE, TIME = shared("digest"), shared("reference"), maybe(TEXT)
PINNED = {"reference": REFERENCE, "digest": DIGEST}
SIZED = {"size": COUNT}
SIZE_BYTES = {"sizeBytes": COUNT}
_EVIDENCE = {"evidence": shared("evidence")}
_FOLLOWED = {
    "places": listed(members({"repository": REFERENCE, "stages": listed(TEXT)})),
    "gaps": listed(TEXT),
}
"""Where an answer looked beside the repository that it was asked about, and what it could not see there."""
_CANDIDATE = members(
    {"source": TEXT},
    {"value": {"type": ["number", "string"]}, "step": {"type": "integer"}}
    | dict.fromkeys(("leftOut", "runId", "runName"), TEXT),
)
# Statements are open: what others wrote into them is shown as well.
_APPROVAL = {
    **dict.fromkeys(("role", "comment", "ticket", "createdOn", "expiresOn"), TEXT),
    "approver": map_of(TEXT),
    "policy": MAP,
    "supersedes": listed(TEXT),
}
_PROMOTION = {
    **dict.fromkeys(("timestamp", "builderId", "fromStage", "previousDigest", "rollbackOf", "reason"), TEXT),
    "previousEvent": TEXT,
    "approvals": listed(TEXT),
    "sequence": COUNT,
    "policy": MAP,
    "orchestrator": MAP,
    "verdict": MAP,
}
_DEPLOYMENT = {
    **dict.fromkeys(("ref", "deployedOn", "replaces", "previousEvent"), TEXT),
    "orchestrator": MAP,
    "configuration": listed(MAP),
}

SHARED: dict[str, Schema] = {
    "gateFinding": members(
        {
            "path": TEXT,
            "topic": words("secret", "content"),
            "rule": TEXT,
            "kind": TEXT,
            "level": words("refuse", "warn"),
            "fingerprint": TEXT,
        },
        {"line": COUNT, "reason": TEXT},
    ),
    "digest": {"type": "string", "pattern": "^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$"},
    "reference": {"type": "string", "minLength": 3},
    "pinned": members(PINNED),
    "statement": members({"digest": DIGEST, "isNew": FLAG, "isSigned": FLAG}),
    "evidence": members(
        {"digest": DIGEST, "isSigned": FLAG, "isVerified": FLAG, "reason": TEXT},
        {
            "predicateType": TEXT,
            "signer": TEXT,
            "time": TEXT,
            "provenTime": TIME,
            "timeAuthority": TEXT,
            "timeProblem": TEXT,
            "foundIn": REFERENCE,
            "predicate": MAP,
            "form": words("att", "oci-1-1", "legacy"),
            "writtenAs": TEXT,
        },
    ),
    "dependency": members(
        {"role": words("dataset", "base-model", "source")},
        {"name": TEXT, "uri": TEXT, "digest": map_of(TEXT), "content": TEXT, "annotations": MAP},
        is_open=True,
    ),
    "check": members(
        {
            "id": TEXT,
            "passed": FLAG,
            "expected": TEXT,
            "actual": TEXT,
            "evidence": listed(TEXT),
            "approval": FLAG,
        }
    ),
    "signature": members(
        {"form": TEXT, "counts": FLAG, "reason": TEXT},
        {"signer": TEXT, "keyHint": TEXT, "digest": DIGEST},
    ),
    "verification": members(
        {
            **PINNED,
            "isVerified": FLAG,
            "reason": TEXT,
            "signers": listed(TEXT),
            "threshold": COUNT,
            "signatures": listed(shared("signature")),
        }
    ),
    "provenance": members({"buildDefinition": MAP, "runDetails": MAP, **_EVIDENCE}, is_open=True),
    "testResult": members({"result": words("PASSED", "WARNED", "FAILED"), **_EVIDENCE}, is_open=True),
    "approval": members({"decision": TEXT, "environment": TEXT, **_EVIDENCE}, _APPROVAL, is_open=True),
    "promotion": members(
        {"srcRef": TEXT, "dstRef": TEXT, "digest": TEXT, "toStage": TEXT, **_EVIDENCE}, _PROMOTION, is_open=True
    ),
    "target": members({"kind": TEXT, "name": TEXT}, {"namespace": TEXT, "cluster": TEXT, "uri": TEXT}, is_open=True),
    "deployment": members(
        {"action": TEXT, "environment": TEXT, "target": shared("target"), **_EVIDENCE}, _DEPLOYMENT, is_open=True
    ),
    "card": members(
        {"sections": map_of(TEXT), **_EVIDENCE},
        {"author": map_of(TEXT), "createdOn": TEXT, "supersedes": listed(DIGEST)},
    ),
    "lineage": members(
        {
            **PINNED,
            "isChecked": FLAG,
            "run": MAP,
            "source": listed(shared("dependency")),
            "data": listed(shared("dependency")),
            "baseModels": listed(shared("dependency")),
            "provenance": listed(shared("provenance")),
            "signatures": listed(shared("evidence")),
            "tests": listed(shared("testResult")),
            "approvals": listed(shared("approval")),
            "promotions": listed(shared("promotion")),
            "deployments": listed(shared("deployment")),
            "cards": listed(shared("card")),
            "reports": listed(shared("evidence")),
            "notCounted": listed(shared("evidence")),
            **_FOLLOWED,
        }
    ),
    "dataUse": members(
        {
            "role": words("dataset"),
            "reference": REFERENCE,
            "depth": COUNT,
            "saidBy": words("provenance", "Kitfile"),
            "isVerified": FLAG,
        },
        {"name": TEXT, "uri": TEXT, "digest": map_of(TEXT), "content": TEXT, "annotations": MAP},
        is_open=True,
    ),
    "trainingData": members(
        {
            **PINNED,
            "isChecked": FLAG,
            "isComplete": FLAG,
            "data": listed(shared("dataUse")),
            "baseModels": listed(shared("dependency")),
            "gaps": listed(TEXT),
        }
    ),
    "signOff": members(
        {
            "counts": FLAG,
            "binds": FLAG,
            "reason": TEXT,
            "approver": maybe(TEXT),
            "decision": TEXT,
            "environment": TEXT,
            **_EVIDENCE,
        },
        {**{name: schema for name, schema in _APPROVAL.items() if name != "approver"}, "claimedApprover": map_of(TEXT)},
        is_open=True,
    ),
    "signOffs": members(
        {
            **PINNED,
            "threshold": COUNT,
            "environments": map_of(members({"isApproved": FLAG, "approvers": listed(TEXT)})),
            "decisions": listed(shared("signOff")),
            "unreadable": listed(shared("evidence")),
            **_FOLLOWED,
        }
    ),
    "running": members(
        {
            **PINNED,
            "environment": TEXT,
            "target": shared("target"),
            "since": TIME,
            "pointer": TEXT,
            "record": shared("deployment"),
        }
    ),
    "fieldChange": members({"field": TEXT, "change": words("added", "removed", "changed"), "left": ANY, "right": ANY}),
    "fileChange": members(
        {
            "path": TEXT,
            "change": words("added", "removed", "changed"),
            "leftSizeBytes": maybe(COUNT),
            "rightSizeBytes": maybe(COUNT),
        }
    ),
    "layerChange": members(
        {
            "kind": TEXT,
            "path": TEXT,
            "change": words("added", "removed", "changed", "same"),
            "left": maybe(DIGEST),
            "right": maybe(DIGEST),
            "leftSizeBytes": maybe(COUNT),
            "rightSizeBytes": maybe(COUNT),
        }
    ),
    "metricChange": members({"name": TEXT, "left": ANY, "right": ANY, "difference": maybe(NUMBER)}),
    "diff": members(
        {
            **PINNED,
            "left": REFERENCE,
            "right": REFERENCE,
            "same": FLAG,
            "kitfile": listed(shared("fieldChange")),
            "metrics": listed(shared("metricChange")),
            "parameters": listed(shared("fieldChange")),
            "madeFrom": members({"added": listed(shared("dependency")), "removed": listed(shared("dependency"))}),
            "layers": listed(shared("layerChange")),
            "files": maybe(members({"added": listed(TEXT), "removed": listed(TEXT), "changed": listed(TEXT)})),
            "fileSizes": maybe(listed(shared("fileChange"))),
        }
    ),
    "historyEntry": members(
        {
            "digest": DIGEST,
            "time": TIME,
            "from": TEXT,
            "to": TEXT,
            "previousDigest": maybe(TEXT),
            "rollbackOf": maybe(TEXT),
            "reason": maybe(TEXT),
            "by": maybe(TEXT),
            "believed": TEXT,
            "event": DIGEST,
        }
    ),
    "stageHistory": members(
        {
            "stage": TEXT,
            "current": maybe(DIGEST),
            "history": listed(shared("historyEntry")),
            "gaps": listed(TEXT),
            "checkpoint": maybe(TEXT),
        }
    ),
    "stageVerdict": members(
        {
            "stage": TEXT,
            "answer": words("yes", "no", "unknown"),
            "reason": TEXT,
            "digest": maybe(DIGEST),
            "record": maybe(DIGEST),
            "checks": listed(shared("check")),
        }
    ),
    "cachePart": members({"files": COUNT, **SIZED}),
    "version": members(
        {
            "digest": DIGEST,
            "tags": listed(TEXT),
            "isKept": FLAG,
            "reason": TEXT,
            "madeOn": TIME,
            "lastHeardOf": TIME,
        }
    ),
    "alias": members(
        {
            "registeredModel": TEXT,
            "alias": TEXT,
            "version": TEXT,
            "previousVersion": maybe(TEXT),
            "isChanged": FLAG,
        }
    ),
}

_MOVED = members(
    {
        **PINNED,
        "blobsCopied": COUNT,
        "blobsMounted": COUNT,
        "blobsSkipped": COUNT,
        "movedBytes": COUNT,
        "referrers": COUNT,
    }
)
_ATTACHED = members({"reference": REFERENCE, "statement": shared("statement")}, {"digest": DIGEST})
_PROMOTED = members(
    {
        **PINNED,
        "stage": TEXT,
        "previousDigest": maybe(DIGEST),
        "isNew": FLAG,
        "isMoved": FLAG,
        "movedBytes": COUNT,
        "record": shared("statement"),
        "checks": listed(shared("check")),
    },
    {"alias": shared("alias")},
)
_CACHE_CHANGED = members({"isDryRun": FLAG, "freed": COUNT, "parts": map_of(shared("cachePart"))})

ANSWERS: dict[str, Schema] = {
    "init": members(
        {"path": TEXT, "parts": map_of(COUNT), "ignore": listed(TEXT), "refused": listed(shared("gateFinding"))}
    ),
    "import": members({**PINNED, "source": TEXT, "revision": maybe(TEXT), **SIZE_BYTES}),
    "pack": members(
        {
            **PINNED,
            **SIZE_BYTES,
            "uploadedBytes": COUNT,
            "layers": listed(members({"kind": TEXT, "path": TEXT, "digest": DIGEST, **SIZE_BYTES})),
            "warnings": listed(TEXT),
        }
    ),
    "unpack": members({**PINNED, "targetDir": TEXT, "files": COUNT, **SIZE_BYTES, "warnings": listed(TEXT)}),
    "push": _MOVED,
    "pull": _MOVED,
    "copy": _MOVED,
    "tag": members(PINNED),
    "remove": members({**PINNED, "removed": listed(shared("pinned"))}),
    "retain": members(
        {
            "reference": REFERENCE,
            "repository": REFERENCE,
            "isDryRun": FLAG,
            "rule": TEXT,
            "removed": listed(shared("version")),
            "kept": listed(shared("version")),
        }
    ),
    "prune": members(
        {
            "reference": REFERENCE,
            "isDryRun": FLAG,
            "manifests": listed(DIGEST),
            "blobs": listed(DIGEST),
            "partialFiles": COUNT,
            **SIZED,
        }
    ),
    "save": members({**PINNED, "path": TEXT, **SIZED, "referrers": COUNT, "modelkits": listed(shared("pinned"))}),
    "load": members(
        {"modelkits": listed(members({**PINNED, "signers": listed(TEXT)}, {"insteadOf": TEXT}))},
        {**PINNED, "signers": listed(TEXT), "insteadOf": TEXT},
    ),
    "list": members(
        {
            "modelkits": listed(
                members(
                    {
                        **PINNED,
                        "repository": TEXT,
                        "tag": TEXT,
                        "name": TEXT,
                        "model": TEXT,
                        "version": TEXT,
                        "authors": listed(TEXT),
                        "created": TIME,
                        **SIZED,
                    }
                )
            )
        },
        {**PINNED, "registry": TEXT},
    ),
    "inspect": members(
        {
            **PINNED,
            "name": TEXT,
            "version": TEXT,
            "cliVersion": TEXT,
            "format": words("modelkit", "modelpack", "docker-model", "ollama", "artifact", "image"),
            "created": TIME,
            "sizeBytes": COUNT,
            "base": maybe(members({"path": TEXT, "digest": maybe(DIGEST)})),
            "layers": listed(members({"kind": TEXT, "path": TEXT, "digest": DIGEST, "sizeBytes": COUNT})),
            "kitfile": MAP,
            "manifest": MAP,
        }
    ),
    "index": members(
        {
            **PINNED,
            "annotations": MAP,
            "variants": listed(
                members({"digest": DIGEST, "mediaType": TEXT, "platform": maybe(TEXT), "annotations": MAP})
            ),
        }
    ),
    "info": {
        **members(PINNED, {"kitfile": MAP, "value": ANY}),
        "oneOf": [{"required": ["kitfile"]}, {"required": ["value"]}],
    },
    "scan": members(
        {
            "result": words("PASSED", "WARNED", "FAILED"),
            "scanners": listed(members({"name": TEXT, "version": TEXT})),
            "lookedAt": members({"files": COUNT, "bytes": COUNT}),
            "notChecked": listed(TEXT),
            "findings": listed(shared("gateFinding")),
        }
    ),
    "validate": members(
        {
            **PINNED,
            "valid": FLAG,
            "readsLayers": FLAG,
            "findings": listed(
                members({"name": TEXT, "verdict": words("ok", "note", "wrong"), "what": TEXT, "where": TEXT})
            ),
        }
    ),
    "diff": shared("diff"),
    "lineage": shared("lineage"),
    "training-data": shared("trainingData"),
    "sign-offs": shared("signOffs"),
    "timeline": members(
        {
            "reference": REFERENCE,
            "repository": REFERENCE,
            "isChecked": FLAG,
            "events": listed(
                members(
                    {"time": TIME, "kind": TEXT, "digest": DIGEST, "tags": listed(TEXT), "summary": TEXT}, _EVIDENCE
                )
            ),
            **_FOLLOWED,
        },
        {"digest": DIGEST},
    ),
    "passport": members(
        {
            **PINNED,
            "name": TEXT,
            "version": TEXT,
            "created": TIME,
            "sizeBytes": COUNT,
            "description": TEXT,
            "licence": TEXT,
            "authors": listed(TEXT),
            "metrics": MAP,
            "lineage": shared("lineage"),
            "trainingData": shared("trainingData"),
            "signatures": maybe(shared("verification")),
            "signOffs": shared("signOffs"),
            "deployments": listed(shared("running")),
            "signedFiles": maybe(map_of(TEXT)),
            "history": listed(members({"tag": TEXT, "digest": DIGEST, "time": TIME, "metrics": MAP})),
            "checkpoints": listed(
                members(
                    {
                        "witness": TEXT,
                        "version": maybe(COUNT),
                        "issuedOn": TIME,
                        "expiresOn": TIME,
                        "stampedBy": maybe(TEXT),
                        "isListed": FLAG,
                        "missing": listed(TEXT),
                        "problem": maybe(TEXT),
                    }
                )
            ),
            "card": listed(
                members(
                    {
                        "name": TEXT,
                        "title": TEXT,
                        "text": TEXT,
                        "by": maybe(TEXT),
                        "signer": maybe(TEXT),
                        "author": maybe(MAP),
                        "verified": FLAG,
                        "reason": TEXT,
                        "time": TIME,
                        "statement": DIGEST,
                    }
                )
            ),
            "annexIV": members(
                {
                    "notice": TEXT,
                    "points": listed(
                        members(
                            {
                                "number": COUNT,
                                "title": TEXT,
                                "status": words("filled", "partly", "text needed"),
                                "facts": listed(TEXT),
                                "needed": maybe(TEXT),
                            }
                        )
                    ),
                }
            ),
        }
    ),
    "where-deployed": members(
        {
            "reference": REFERENCE,
            "repository": REFERENCE,
            "isChecked": FLAG,
            "running": listed(shared("running")),
            "unproven": listed(members({"pointer": TEXT, "digest": DIGEST, "reason": TEXT})),
            **_FOLLOWED,
        }
    ),
    "catalog": members(
        {
            "reference": TEXT,
            "asOf": TEXT,
            "onlyNew": FLAG,
            "policyDigest": maybe(DIGEST),
            "trustDigest": maybe(DIGEST),
            "models": listed(
                members(
                    {
                        "reference": REFERENCE,
                        "stageOf": maybe(TEXT),
                        "versions": listed(
                            members({"digest": DIGEST, "tags": listed(TEXT), "name": TEXT, "time": TIME})
                        ),
                        "stages": listed(
                            members(
                                {
                                    "stage": TEXT,
                                    "repository": REFERENCE,
                                    "digest": maybe(DIGEST),
                                    "state": words("holds", "red", "unknown", "not judged", "empty"),
                                    "reason": maybe(TEXT),
                                    "frozen": maybe(TEXT),
                                }
                            )
                        ),
                        "waiting": listed(members({"stage": TEXT, "digest": DIGEST, "for": listed(TEXT)})),
                        "running": listed(members({"environment": TEXT, "target": TEXT, "digest": DIGEST})),
                    }
                )
            ),
            "problems": listed(members({"repository": TEXT, "reason": TEXT})),
            "site": maybe(members({"folder": TEXT, "files": COUNT, **SIZE_BYTES})),
        }
    ),
    "export-run": members(
        {**PINNED, "isExported": FLAG, **SIZE_BYTES, "uploadedBytes": COUNT, "warnings": listed(TEXT)},
        {
            "runId": TEXT,
            "modelId": TEXT,
            "registeredModel": TEXT,
            "registeredVersion": TEXT,
            "provenance": DIGEST,
            "tagged": listed(TEXT),
            "best": members(
                {
                    "among": TEXT,
                    "metric": TEXT,
                    "direction": words("min", "max"),
                    "candidates": COUNT,
                    "chosen": _CANDIDATE,
                    "others": listed(_CANDIDATE),
                },
                {"dataset": TEXT, "filter": TEXT, "notReady": COUNT},
            ),
        },
    ),
    "import-model": members(
        {
            **PINNED,
            "modelUri": TEXT,
            "registeredModel": maybe(TEXT),
            "version": maybe(TEXT),
            "modelId": maybe(TEXT),
            "runId": maybe(TEXT),
            "aliases": listed(TEXT),
            "warnings": listed(TEXT),
        }
    ),
    "serve": members({**PINNED, "url": TEXT, "predictUrl": TEXT}),
    "smoke-test": members(
        {**PINNED, "result": words("PASSED", "FAILED")},
        {"error": TEXT, "rows": COUNT, "loadSeconds": NUMBER, "predictSeconds": NUMBER},
    ),
    "keygen": members(
        {"private": TEXT, "public": TEXT, "algorithm": TEXT, "fingerprint": TEXT, "hint": TEXT, "pem": TEXT}
    ),
    "public-key": members({"algorithm": TEXT, "fingerprint": TEXT, "hint": TEXT, "pem": TEXT}),
    "sign": members(
        {**PINNED, "key": TEXT, "signatures": listed(members({"form": TEXT, "digest": DIGEST, "isNew": FLAG}))},
        {"notes": listed(TEXT)},
    ),
    "verify": shared("verification"),
    "attest": _ATTACHED,
    "checkpoint": members(
        {
            **PINNED,
            "version": COUNT,
            "root": DIGEST,
            "issuedOn": TEXT,
            "expiresOn": TEXT,
            "digests": COUNT,
            "evidence": COUNT,
            "tags": COUNT,
            "isNew": FLAG,
            "previous": maybe(DIGEST),
            "removed": listed(members({"missing": TEXT, "reason": TEXT})),
            "gone": listed(members({"digest": DIGEST, "by": TEXT, "reason": TEXT, "statement": DIGEST})),
        }
    ),
    "plan": members(
        {
            **PINNED,
            "source": REFERENCE,
            "destination": REFERENCE,
            "stage": TEXT,
            "expectedCurrent": maybe(DIGEST),
            "policyDigest": maybe(DIGEST),
            "trustDigest": maybe(DIGEST),
            "checks": listed(shared("check")),
            "ready": FLAG,
            "createdOn": TEXT,
            "rollbackOf": maybe(DIGEST),
            "enteredBy": maybe(TEXT),
            "skipped": listed(TEXT),
            "checkpoints": listed(members({"place": TEXT, "version": COUNT, "root": DIGEST})),
        },
        {"changes": maybe(shared("diff"))},
    ),
    "approve": _ATTACHED,
    "reject": _ATTACHED,
    "revoke": _ATTACHED,
    "overrule": _ATTACHED,
    "promote": _PROMOTED,
    "rollback": _PROMOTED,
    "status": members(
        {
            "reference": REFERENCE,
            "stages": {"anyOf": [listed(shared("stageHistory")), listed(shared("stageVerdict"))]},
        }
    ),
    "freeze": _ATTACHED,
    "deploy": {
        **members(PINNED, {"target": TEXT, "manifest": {"type": ["object", "string"]}, "modelkit": REFERENCE}),
        "oneOf": [{"required": ["target", "manifest"]}, {"required": ["modelkit"]}],
    },
    "record-deployment": _ATTACHED,
    "init-container": members({**PINNED, "targetDir": TEXT, "files": COUNT, "signers": listed(TEXT)}),
    "login": members({"registry": TEXT, "username": TEXT, "keptIn": TEXT}),
    "logout": members({"registry": TEXT, "wasLoggedIn": FLAG}),
    "completion": members({"shell": words("bash", "zsh", "fish"), "script": TEXT}),
    "doctor": members(
        {
            "healthy": FLAG,
            "findings": listed(
                members({"name": TEXT, "verdict": words("ok", "note", "wrong"), "found": TEXT, "advice": maybe(TEXT)})
            ),
        },
        {
            "probe": members(
                {
                    "repository": TEXT,
                    "abilities": listed(members({"name": TEXT, "has": maybe(FLAG), "found": TEXT})),
                    "minChunkBytes": maybe(COUNT),
                    "leftBehind": listed(TEXT),
                }
            )
        },
    ),
    "cache info": members({"path": TEXT, **SIZED, "parts": map_of(shared("cachePart"))}),
    "cache prune": _CACHE_CHANGED,
    "cache clear": _CACHE_CHANGED,
    "version": {
        "type": "object",
        "properties": {"kitctl": TEXT, "python": TEXT},
        "required": ["kitctl", "python"],
        "additionalProperties": TEXT,
    },
}
"""What each verb prints; the key is the verb, with its second word where it has one."""

ERROR = members(
    {"error": TEXT, "message": TEXT, "advice": maybe(TEXT), "transient": FLAG},
    {"findings": listed(shared("gateFinding"))},
)
"""What every verb prints with ``--json`` instead when it fails."""


def file_name(verb: str) -> str:
    """The name of a verb's schema."""
    return f"{verb.replace(' ', '-')}.json"


def schema_of(verb: str) -> Schema:
    """The whole schema of a verb's answer."""
    said = f"What `kitctl {verb} --json` prints."
    return _whole(verb, ANSWERS[verb], said)


def card() -> Schema:
    """What ``kitctl attest --type card`` reads: the one schema here of what goes in."""
    text = {"type": "string", "pattern": r"\S", "maxLength": MAX_LETTERS}
    title = {"title": "A card: what people write about a version of a model"}
    sections = {
        "type": "object",
        "properties": {name: {**text, "title": heading} for name, heading in SECTIONS.items()},
        "additionalProperties": text,
        "propertyNames": {"maxLength": 64, "minLength": 1},
        "minProperties": 1,
        "maxProperties": MAX_SECTIONS,
    }
    members_of = {
        "sections": sections,
        "author": map_of(TEXT),
        "createdOn": {"type": "string", "format": "date-time"},
        "supersedes": listed(TEXT),
    }
    read = {"type": "object", "properties": members_of, "required": ["sections"], "additionalProperties": True}
    return {**_whole("card", read, "What `kitctl attest --type card --predicate card.yaml` reads."), **title}


def _whole(name: str, answer: Schema, description: str) -> Schema:
    version = VERSIONS.get(name, 1)
    used = _used(answer)
    return {
        "$schema": DIALECT,
        "$id": f"urn:kitops-orchestration:schema:{name.replace(' ', '-')}:v{version}",
        "title": f"kitctl {name}" if name != "error" else "kitctl: an expected error",
        "description": description,
        "version": version,
        **answer,
        **({"$defs": {key: SHARED[key] for key in sorted(used)}} if used else {}),
    }


def _used(schema: Any) -> set[str]:
    """Names of the shared shapes that a schema needs, through all levels."""
    if isinstance(schema, list):
        return set().union(*map(_used, schema))
    if not isinstance(schema, dict):
        return set()
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    own = {name, *_used(SHARED[name])} if name else set()
    return own.union(*(_used(value) for value in schema.values()))


def page() -> str:
    """The page that lists the schemas."""
    rows = [f"| `{verb}` | [{file_name(verb)}](schemas/{file_name(verb)}) |" for verb in sorted(ANSWERS)]
    return HEAD + "\n".join(rows) + "\n"


HEAD = """# JSON

Made by `make docs`. What a verb prints with `--json` is held against its JSON Schema (draft 2020-12) by tests.

- A schema has a version, in its `$id` and in `version`. A member that comes, goes or changes its type makes a new one.
- Objects are closed: a member that the schema does not name is not printed. Open are what others write: Kitfiles,
  manifests, annotations, and the predicates of statements, of which the members that are named are always there.
- `null` is "there is none"; a member that is left out is "it does not say".
- An answer is the same object everywhere: what `KitClient` gives, as `to_json()`. Airflow's tasks return it, or
  [a part of it](metadata-keys.md) that is small enough for XCom: a member has the same name, type and value. Where
  Dagster's metadata holds an answer as JSON, it is this object.
- Names are written `likeThis`, as in OCI's manifests, in-toto's statements and SLSA's provenance, which stand inside of
  answers. What others named keeps its name: metrics and parameters, members of predicates, Kitfiles. Labels of
  Dagster's metadata are no answers, and written as Dagster writes its own: `dagster/size_bytes`, `kitops/layer_count`.
- A verb that fails prints [error.json](schemas/error.json) instead, and ends with 1.
- [card.json](schemas/card.json) is of what is read: the file of `kitctl attest --type card`, in YAML or JSON. Editors
  complete and check by it with `# yaml-language-server: $schema=card.json` on the first line.

| verb | schema |
|---|---|
"""


def files() -> dict[Path, str]:
    """Every file that this program writes, with its text."""
    schemas = {FOLDER / file_name(verb): schema_of(verb) for verb in ANSWERS}
    schemas[FOLDER / "card.json"] = card()
    schemas[FOLDER / "error.json"] = _whole("error", ERROR, "What a verb prints with `--json` when it fails.")
    return {**{path: json.dumps(value, indent=2) + "\n" for path, value in schemas.items()}, PAGE: page()}


def main() -> None:
    """Write all files, and remove schemas of verbs that are no more."""
    unknown = {verb.split()[0] for verb in ANSWERS} - set(VERBS)
    if unknown:
        sys.exit(f"no such verbs: {', '.join(sorted(unknown))}")
    wanted = files()
    FOLDER.mkdir(exist_ok=True)
    for path in set(FOLDER.glob("*.json")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
