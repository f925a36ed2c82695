"""Options for keys, trust policies and promotion policies, read where a verb needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kitops_orchestration.promotion.policy import PromotionPolicy
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

F = TypeVar("F", bound=Callable[..., Any])
PASSWORD_VARIABLE = "COSIGN_PASSWORD"  # noqa: S105 - the variable's name, not a password
_FILE = click.Path(path_type=Path, dir_okay=False)


def key_option(function: F) -> F:
    """Add ``--key FILE``: the private key to sign with."""
    text = f"Private key, or env://NAME of a variable with it; its password in {PASSWORD_VARIABLE}."
    return click.option("--key", "key_path", type=_FILE, help=text)(function)


def trust_option(function: F) -> F:
    """Add ``--trust FILE``: whose signatures count."""
    return click.option("--trust", "trust_path", type=_FILE, help="Trust policy: whose signatures count.")(function)


def policy_option(*, required: bool) -> Callable[[F], F]:
    """Add ``--policy FILE``: stages and their checks."""
    return click.option("--policy", "policy_path", type=_FILE, required=required, help="Promotion policy (YAML).")


def load_signer(path: Path | None) -> Signer | None:
    """Read the signing key, or return ``None`` when none was given."""
    if path is None:
        return None
    from kitops_orchestration.signing.keys import load_private_key

    return load_private_key(key_source(path), password_env=PASSWORD_VARIABLE)


def key_source(path: Path) -> Path | str:
    """Give ``env://NAME`` back the slash that a path takes from it."""
    is_variable = len(path.parts) == 2 and path.parts[0] == "env:"
    return f"env://{path.name}" if is_variable else path


def require_signer(path: Path | None) -> Signer:
    """Read the signing key; a usage error when none was given."""
    signer = load_signer(path)
    if signer is None:
        raise click.UsageError("this needs --key FILE: the private key of whoever says so")
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
    from kitops_orchestration.promotion.policy import PromotionPolicy

    return PromotionPolicy.load(path)


def require_policy(path: Path) -> PromotionPolicy:
    """Read the promotion policy that a verb cannot do without."""
    from kitops_orchestration.promotion.policy import PromotionPolicy

    return PromotionPolicy.load(path)
