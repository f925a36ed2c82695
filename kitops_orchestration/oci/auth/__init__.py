"""Who we are to a registry: credentials, where they are kept, challenges and tokens.

What is secret here is in no ``repr`` and no message.

Used by ``airflow_kitops.hooks``, ``client``, ``dagster_kitops``, ``oci``, ``oci.registry``: ``authorizer``
(Authorizer, TokenFetch); ``challenge`` (merge_scopes, repository_scope); ``credential_store`` (erase, store);
``credentials`` (Credential, CredentialSource, DOCKER_HUB, DockerConfig, StaticCredentials).

    >>> from kitops_orchestration.oci.auth.challenge import repository_scope
    >>> repository_scope("team/iris", "pull")
    'repository:team/iris:pull'
"""
