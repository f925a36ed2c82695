"""Keyless signatures of CI: a short-lived certificate that names a workflow, verified offline with a trusted root.

The certificate is Fulcio's; that it was valid when it signed is proven by an entry of a Rekor log, or by a time-stamp.
The trusted root is a file that the verifier holds: nothing is fetched.

Used by ``signing``: ``identity`` (CertificateIdentity); ``sign`` (KeylessSigner); ``verify`` (CertificateProof,
prove, TrustedRoot).

    >>> from kitops_orchestration.signing.keyless.identity import CertificateIdentity
    >>> CertificateIdentity("https://ci.example.com/train", "https://ci.example.com").fits(
    ...     ["https://ci.example.com/train"], "https://ci.example.com"
    ... )
    True
"""
