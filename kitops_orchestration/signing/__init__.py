"""Keys, signatures, bundles and the trust policy: who says so, checked offline.

For ``lineage`` and everything above it.  Needs the extra ``signing``; nothing of it is imported before a key is.

    >>> from kitops_orchestration.signing import TrustPolicy
    >>> TrustPolicy.load("trust.yaml")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.signing.evidence import Evidence as Evidence
    from kitops_orchestration.signing.identities import Identity as Identity
    from kitops_orchestration.signing.keys import KeyPair as KeyPair
    from kitops_orchestration.signing.keys import PublicKey as PublicKey
    from kitops_orchestration.signing.keys import Signer as Signer
    from kitops_orchestration.signing.keys import generate_key_pair as generate_key_pair
    from kitops_orchestration.signing.keys import load_private_key as load_private_key
    from kitops_orchestration.signing.keys import load_public_key as load_public_key
    from kitops_orchestration.signing.keys import load_signer as load_signer
    from kitops_orchestration.signing.sign import SignResult as SignResult
    from kitops_orchestration.signing.statement import ResourceDescriptor as ResourceDescriptor
    from kitops_orchestration.signing.statement import Statement as Statement
    from kitops_orchestration.signing.trust import TrustPolicy as TrustPolicy
    from kitops_orchestration.signing.trusted_time.authority import TimeAuthority as TimeAuthority
    from kitops_orchestration.signing.trusted_time.stamping import stamped_by as stamped_by
    from kitops_orchestration.signing.verify import SignatureReport as SignatureReport
    from kitops_orchestration.signing.verify import VerifyResult as VerifyResult

__all__ = [
    "Evidence",
    "Identity",
    "KeyPair",
    "PublicKey",
    "ResourceDescriptor",
    "SignResult",
    "SignatureReport",
    "Signer",
    "Statement",
    "TimeAuthority",
    "TrustPolicy",
    "VerifyResult",
    "generate_key_pair",
    "load_private_key",
    "load_public_key",
    "load_signer",
    "stamped_by",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "Evidence": "evidence",
            "Identity": "identities",
            "KeyPair": "keys",
            "PublicKey": "keys",
            "ResourceDescriptor": "statement",
            "SignResult": "sign",
            "SignatureReport": "verify",
            "Signer": "keys",
            "Statement": "statement",
            "TimeAuthority": "trusted_time.authority",
            "TrustPolicy": "trust",
            "VerifyResult": "verify",
            "generate_key_pair": "keys",
            "load_private_key": "keys",
            "load_public_key": "keys",
            "load_signer": "keys",
            "stamped_by": "trusted_time.stamping",
        },
    )
