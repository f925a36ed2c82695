"""Keys: made, read and written; in files, in a key management service, or in a security module.

>>> from kitops_orchestration.signing.keys import generate_key_pair
>>> generate_key_pair().public_key.algorithm  # doctest: +SKIP
'ecdsa-p256'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.signing.keys.load import load_public_key as load_public_key
    from kitops_orchestration.signing.keys.load import load_signer as load_signer
    from kitops_orchestration.signing.keys.local import KeyFormat as KeyFormat
    from kitops_orchestration.signing.keys.local import KeyPair as KeyPair
    from kitops_orchestration.signing.keys.local import LocalSigner as LocalSigner
    from kitops_orchestration.signing.keys.local import generate_key_pair as generate_key_pair
    from kitops_orchestration.signing.keys.local import load_private_key as load_private_key
    from kitops_orchestration.signing.keys.public_key import PublicKey as PublicKey
    from kitops_orchestration.signing.keys.public_key import Signer as Signer

__all__ = [
    "KeyFormat",
    "KeyPair",
    "LocalSigner",
    "PublicKey",
    "Signer",
    "generate_key_pair",
    "load_private_key",
    "load_public_key",
    "load_signer",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "KeyFormat": "local",
            "KeyPair": "local",
            "LocalSigner": "local",
            "PublicKey": "public_key",
            "Signer": "public_key",
            "generate_key_pair": "local",
            "load_private_key": "local",
            "load_public_key": "load",
            "load_signer": "load",
        },
    )
