"""Keys, signatures, bundles and the trust policy: who says so, checked offline.

The same signature is written in two forms, because verifiers in the field read one or the other: a Sigstore
bundle attached as a referrer, and cosign's older ``.sig`` tag.  Everything above the signing floor may use this.

    >>> from kitops_orchestration.signing.keys import generate_key_pair
    >>> generate_key_pair("secret").public_key.algorithm
    'ecdsa-p256'
"""
