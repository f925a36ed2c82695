"""The core's advice in Airflow's words: what the command line calls an option is a field of an operator here."""

from __future__ import annotations

import re

_OPERATORS = {
    "approve": "KitApprovePromotionOperator",
    "attest": "KitAttestOperator",
    "diff": "KitDiffOperator",
    "export-run": "KitExportRunOperator",
    "import-model": "KitImportModelOperator",
    "inspect": "KitInspectOperator",
    "pack": "KitPackOperator",
    "promote": "KitPromoteOperator",
    "pull": "KitPullOperator",
    "push": "KitPushOperator",
    "record-deployment": "KitRecordDeploymentOperator",
    "retain": "KitRetentionOperator",
    "rollback": "KitRollbackOperator",
    "scan": "KitScanOperator",
    "sign": "KitSignOperator",
    "smoke-test": "KitSmokeTestOperator",
    "tag": "KitTagOperator",
    "unpack": "KitUnpackOperator",
    "validate": "KitValidateOperator",
    "verify": "KitVerifyOperator",
}
"""Verbs of the command line that an operator does; the client of the hook has all others."""
_OF_CONNECTION = {
    "ca-bundle": "ca_bundle",
    "insecure": "tls_verify",
    "key": "signing_private_key",
    "password": "password",
    "plain-http": "plain_http",
    "registry": "host",
    "tls-verify": "tls_verify",
    "trust": "trust_policy",
    "username": "login",
}
"""Options of the command line that are fields of the connection."""
_PHRASES = (
    (re.compile(r"the KitClient, the connection or the resource"), "the connection"),
    (re.compile(r"the client, connection or resource a registry"), "the connection a host"),
    (re.compile(r": signer=, or the connection's or the resource's own"), ", the connection's signing_private_key"),
    (re.compile(r"as ca_bundle \(TlsOptions\)"), "as the connection's ca_bundle"),
    (re.compile(r",? or run `?kitctl login`?"), ""),
    (re.compile(r"`?kitctl login`?"), "the connection's login and password"),
)
_VERB = re.compile(r"`?\bkitctl ([a-z][a-z-]*)([^`;]*?)`(?=\W|$)|\bkitctl ([a-z][a-z-]*)")
_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)(?:[ =]([\w.\u2026/][\w.\u2026/-]*))?")


def airflow_words(text: str) -> str:
    """Return an advice of the core as one for who writes DAGs and connections."""
    for pattern, words in _PHRASES:
        text = pattern.sub(words, text)
    return _OPTION.sub(_field, _VERB.sub(_verb, text))


def _verb(match: re.Match[str]) -> str:
    verb, rest = match[1] or match[3], match[2] or ""
    return _OPERATORS.get(verb, f"KitOpsHook().client.{verb.replace('-', '_')}") + rest


def _field(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    if name in _OF_CONNECTION:
        return f"the connection's {_OF_CONNECTION[name]}"
    field = name.replace("-", "_")
    return field if value is None else f"{field}={value}"
