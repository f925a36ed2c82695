"""HTTP as registries need it: kept connections that can be cancelled, retries with a budget, proxies, TLS.

It knows hosts and bytes, no registry.

Used by ``airflow_kitops.hooks``, ``cli.options``, ``client``, ``dagster_kitops``, ``lineage.projections``,
``mlflow_bridge``, ``mlflow_bridge.runs``, ``modelkit.unpacking``, ``oci``, ``oci.auth``, ``oci.layout``,
``oci.registry``, ``oci.transfer``, ``signing.keys``, ``signing.trusted_time``: ``body`` (filler, ignore_bytes,
Upload); ``client`` (Request, Transport); ``inner`` (leads_inside); ``registry_files`` (entry_of, is_insecure_at,
Place, RegistryEntry, tls_of); ``response`` (next_link, Response, whole_number); ``retry`` (RETRIED_STATUSES,
retry_after, RetryBudget); ``splice`` (PIPE_BYTES); ``tls`` (RegistryOptions, TlsOptions); ``url`` (is_loopback,
is_same_site, joined, Origin, redacted); ``wait`` (SLICE_SECONDS).

    >>> from kitops_orchestration.oci.http.url import redacted
    >>> redacted("https://ada:secret@registry.example/v2/?token=abc")
    'https://registry.example/v2/'
"""
