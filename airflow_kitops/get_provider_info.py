"""What Airflow learns about this package without importing it: connection form, operators, configuration.

Every Airflow command and the API server call this, so nothing is imported here.  The keys are those of
Airflow's ``provider_info.schema.json``.
"""

from __future__ import annotations

from typing import Any

_INTEGRATION = "KitOps"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "kitops-orchestration",
        "name": "KitOps",
        "description": "Pack, push, promote and trace `ModelKits <https://kitops.org>`__ from the registry alone.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://kitops.org",
                "logo": "/kitops/logo.svg",  # the plugin serves it
                "tags": ["software"],
            }
        ],
        "hooks": [{"integration-name": _INTEGRATION, "python-modules": ["airflow_kitops.hooks"]}],
        "operators": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [
                    "airflow_kitops.operators.pack",
                    "airflow_kitops.operators.transfer",
                    "airflow_kitops.operators.unpack",
                    "airflow_kitops.operators.validate",
                    "airflow_kitops.operators.export_run",
                    "airflow_kitops.operators.promote",
                    "airflow_kitops.operators.approve",
                    "airflow_kitops.operators.rollback",
                    "airflow_kitops.operators.retention",
                    "airflow_kitops.operators.smoke_test",
                    "airflow_kitops.operators.tag",
                    "airflow_kitops.operators.inspect",
                    "airflow_kitops.operators.record_deployment",
                    "airflow_kitops.operators.sign",
                    "airflow_kitops.operators.attest",
                    "airflow_kitops.operators.import_model",
                    "airflow_kitops.operators.scan",
                    "airflow_kitops.operators.notify",
                ],
            }
        ],
        "sensors": [{"integration-name": _INTEGRATION, "python-modules": ["airflow_kitops.sensors"]}],
        "triggers": [{"integration-name": _INTEGRATION, "python-modules": ["airflow_kitops.triggers"]}],
        "asset-uris": [
            {
                "schemes": ["oci"],
                "handler": "airflow_kitops.assets.sanitize_uri",
                "factory": "airflow_kitops.assets.create_asset",
                "to_openlineage_converter": "airflow_kitops.assets.convert_asset_to_openlineage",
            }
        ],
        "plugins": [{"name": "kitops", "plugin-class": "airflow_kitops.ui.plugin.KitOpsPlugin"}],
        "extra-links": [
            "airflow_kitops.ui.links.ModelKitLink",
            "airflow_kitops.ui.links.MlflowRunLink",
            "airflow_kitops.ui.links.ApprovalLink",
        ],
        "filesystems": ["airflow_kitops.filesystem"],
        "notifications": ["airflow_kitops.notifications.KitOpsNotifier"],
        "config": _CONFIG,
        "cli": ["airflow_kitops.cli.definition.get_kitops_commands"],  # Airflow before 3.2 does not look at it
        "task-decorators": [
            {"name": "kit_pack", "class-name": "airflow_kitops.decorators.kit_pack_task"},
            {"name": "kit_unpack", "class-name": "airflow_kitops.decorators.kit_unpack_task"},
        ],
        "connection-types": [
            {
                "connection-type": "kitops",
                "hook-class-name": "airflow_kitops.hooks.KitOpsHook",
                "hook-name": "KitOps registry",
                "ui-field-behaviour": _FIELD_BEHAVIOUR,
                "conn-fields": _FIELDS,
            },
            {
                "connection-type": "mlflow",
                "hook-class-name": "airflow_kitops.hooks.MLflowHook",
                "hook-name": "MLflow",
                "ui-field-behaviour": _MLFLOW_FIELD_BEHAVIOUR,
                "conn-fields": _MLFLOW_FIELDS,
            },
        ],
    }


_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema"],
    "relabeling": {"host": "Registry", "login": "User name", "password": "Password or token"},
    "placeholders": {
        "host": "ghcr.io, or file:///folder for a folder registry",
        "port": "only where the registry does not listen on 443",
        "login": "empty for docker_config and anonymous",
    },
}


def _text(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


def _switch(label: str, description: str, *, default: bool) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["boolean", "null"], "default": default}}


def _number(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["integer", "null"], **schema}}


# The names of secret fields contain a word that Airflow masks ("password", "private_key").
_FIELDS: dict[str, Any] = {
    "namespace": _text("Namespace", "Put in front of a reference that names no registry, for example my-org/models."),
    "auth_type": _text(
        "Authentication",
        "auto: user name and password where given, else docker_config. basic: user name and password. token: the "
        "password is a bearer token. docker_config: the worker's config.json and its credential helpers. "
        "anonymous: none.",
        default="auto",
        enum=["auto", "docker_config", "basic", "token", "anonymous"],
    ),
    "token_realms": _text(
        "Token services", "Hosts at other sites than the registry that may see its credentials, with commas."
    ),
    "registries": _text(
        "Other registries", 'JSON, by host: {"host:5000": {"plain_http": true}}; also ca_bundle, tls_verify, proxy.'
    ),
    "docker_config_dir": _text("Docker config folder", "Folder of config.json on the worker; empty: Docker's own."),
    "plain_http": _text(
        "Plain HTTP", "auto: only for a registry on this machine.", default="auto", enum=["auto", "true", "false"]
    ),
    "tls_verify": _switch("Verify TLS", "Check the registry's certificate.", default=True),
    "ca_bundle": _text("CA bundle", "File on the worker with the certificates to trust."),
    "signing_private_key": _text(
        "Signing key",
        "A key that stays in a service (awskms:///alias/NAME, gcpkms://, azurekms://, hashivault://, pkcs11:), a file "
        "on the worker, env://NAME, or PEM text. Signs promotions and approvals.",
        format="multiline",
    ),
    "signing_private_key_password": _text("Password of the signing key", "Where the key has one.", format="password"),
    "timestamp_url": _text(
        "Time-stamp authority",
        "RFC 3161 authority that stamps what is signed; empty: the trust policy's.",
    ),
    "timestamp_certificates": _text(
        "Its certificates", "PEM text, or a file on the worker: its root at least.", format="multiline"
    ),
    "verification_public_key": _text(
        "Verification key",
        "PEM text, a file on the worker, or env://NAME. Used where there is no trust policy.",
        format="multiline",
    ),
    "web_url_template": _text(
        "Web page of a ModelKit",
        "For links: https://registry.example/{repository}?digest={digest}; also {registry}, {tag}.",
    ),
    "trust_policy": _text("Trust policy", "File on the worker (trust.yaml): whose signatures count."),
    "gate": _text(
        "Gate",
        'What may leave a folder that is packed, as JSON: {"on_content": "warn", "allow_secret": ["docs/*=examples"], '
        '"may_allow": false}. With may_allow false no DAG and no folder allows more.',
        format="multiline",
    ),
    "max_concurrency": _number("Concurrency", "Blobs moved at the same time.", minimum=1, maximum=64, default=4),
    "retries": _number("Retries", "Attempts after a failed request, before the task fails.", minimum=0, default=5),
    "silence_timeout_seconds": _number("Silence timeout (s)", "Longest wait for the next byte.", minimum=1, default=60),
}


_MLFLOW_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema"],
    "relabeling": {"host": "Tracking server", "login": "User name", "password": "Password or token"},
    "placeholders": {
        "host": "https://mlflow.example",
        "port": "only where it is not in the address",
        "login": "empty where the password is a token",
    },
}
_MLFLOW_FIELDS: dict[str, Any] = {
    "auth_type": _text(
        "Authentication",
        "auto: basic with a user name, token with a password alone, else anonymous. token: the password is a bearer "
        "token.",
        default="auto",
        enum=["auto", "basic", "token", "anonymous"],
    ),
    "tls_verify": _switch("Verify TLS", "Check the server's certificate.", default=True),
    "ca_bundle": _text("CA bundle", "File on the worker with the certificates to trust."),
    "client_certificate": _text("Client certificate", "File on the worker with the certificate and key to show."),
    "webhook_secret": _text(
        "Secret of webhooks",
        "What MLflow's webhooks are signed with. Taken where [kitops] mlflow_webhook_conn_id names this connection.",
        format="password",
    ),
}


def _option(description: str, kind: str, default: str, example: str | None) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": kind,
        "default": default,
        "example": example,
    }


_CONFIG: dict[str, Any] = {
    "kitops": {
        "description": "Defaults of the KitOps provider.",
        "options": {
            "poll_interval_seconds": _option(
                "Time between two looks of a watcher or trigger at a repository.", "float", "60.0", None
            ),
            "default_registry": _option(
                "Completes references that name no registry, where the connection names none either.",
                "string",
                "",
                "ghcr.io",
            ),
            "require_signature": _option(
                "Unpack and import only what is signed as the connection's trust policy or key wants it.",
                "boolean",
                "False",
                None,
            ),
            "page_conn_id": _option(
                "Connection that the ModelKit page of the UI asks registries with.", "string", "kitops_default", None
            ),
            "mlflow_webhook_conn_id": _option(
                "Connection whose MLflow may send webhooks to /kitops/mlflow/webhook, signed with its webhook_secret; "
                "empty: there is no such address.",
                "string",
                "",
                "mlflow_default",
            ),
            "scratch_dir": _option(
                "Folder on the worker for the temporary files of tasks; empty means the system's own.",
                "string",
                "",
                "/scratch/kitops",
            ),
        },
    }
}
