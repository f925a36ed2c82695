"""Interchange cases that run against what is at hand: a registry, the Kit CLI, cosign.

For those who make one of them, and for us before a release.  A case is a promise in one sentence; it is kept, broken
with the reason, or left out with the reason.

    $ python -m kitops_orchestration.testing.conformance --registry 127.0.0.1:5000/conformance --kit kit --cosign cosign

    >>> from kitops_orchestration.testing.conformance.samples import SAMPLES
    >>> SAMPLES[0].name
    'one file'
"""
