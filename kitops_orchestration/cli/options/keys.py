"""Options for keys, trust policies and promotion policies, read where a verb needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

F = TypeVar("F", bound=Callable[..., Any])
PASSWORD_VARIABLE = "COSIGN_PASSWORD"  # noqa: S105 - the variable's name, not a password
_STAMP_URL, _STAMP_CHAIN = "--timestamp-url", "--timestamp-certificates"
_FILE = click.Path(path_type=Path, dir_okay=False)


class KeyName(click.ParamType):  # type: ignore[type-arg] # generic from click 8.3 on, and older ones are allowed
    """A key file; or, as the text it is, ``env://NAME`` or the URI of a key in a service, whose slashes count."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """Return a path, or the text."""
        from kitops_orchestration.signing.keys.service import is_key_uri

        if isinstance(value, Path) or value.startswith(("env://", "keyless:")) or is_key_uri(value):
            return value  # type: ignore[no-any-return] # text, or a path that is converted
        found: Path = _FILE.convert(value, param, ctx)
        return found


def key_option(function: F) -> F:
    """Add ``--key KEY``: the private key to sign with, or the name of one that stays where it is."""
    text = (
        "Key to sign with: awskms://, gcpkms://, azurekms://, hashivault:// or pkcs11:, a file, env://NAME of a "
        f"variable, or keyless:FILE in a workflow with an identity; its password or PIN in {PASSWORD_VARIABLE}."
    )
    chain = "Certificates of that authority (PEM): its root at least."
    stamp = "Address of an RFC 3161 authority that stamps the time; one of the trust policy is asked anyway."
    for name, kind, told in ((_STAMP_CHAIN, _FILE, chain), (_STAMP_URL, click.STRING, stamp)):
        function = click.option(name, type=kind, help=told, expose_value=False, callback=_remember)(function)
    return click.option("--key", "key_path", type=KeyName(), help=text)(function)


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep what only :func:`load_signer` needs with the call, so that no verb has to hand it through."""
    context.meta[f"{__name__}.{option.name}"] = value


def trust_option(function: F) -> F:
    """Add ``--trust FILE``: whose signatures count."""
    return click.option("--trust", "trust_path", type=_FILE, help="Trust policy: whose signatures count.")(function)


def policy_option(*, required: bool) -> Callable[[F], F]:
    """Add ``--policy FILE``: stages and their checks."""
    return click.option("--policy", "policy_path", type=_FILE, required=required, help="Promotion policy (YAML).")


def load_signer(key: Path | str | None) -> Signer | None:
    """Open the signing key, or return ``None`` when none was given."""
    if key is None:
        return None
    from kitops_orchestration.signing.named_signer import open_signer

    signer = open_signer(key, password_env=PASSWORD_VARIABLE)
    meta = click.get_current_context().meta
    url, chain = (meta.get(f"{__name__}.{name}") for name in ("timestamp_url", "timestamp_certificates"))
    if url is None and chain is None:
        return signer
    from kitops_orchestration.signing.trusted_time.stamping import stamped_by

    return stamped_by(signer, url, chain)


def require_signer(key: Path | str | None) -> Signer:
    """Open the signing key; a usage error when none was given."""
    signer = load_signer(key)
    if signer is None:
        raise click.UsageError("this needs --key KEY: the private key of whoever says so")
    return signer


def load_trust(path: Path | None) -> TrustPolicy | None:
    """Read the trust policy, or return ``None`` when none was given."""
    if path is None:
        return None
    from kitops_orchestration.signing.trust import TrustPolicy

    return TrustPolicy.load(path)


def load_policy(path: Path | None) -> PromotionPolicy | None:
    """Read the promotion policy, or return ``None`` when none was given."""
    if path is None:
        return None
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy

    return PromotionPolicy.load(path)


def require_policy(path: Path) -> PromotionPolicy:
    """Read the promotion policy that a verb cannot do without."""
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy

    return PromotionPolicy.load(path)
