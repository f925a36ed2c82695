"""Options that several verbs share, and what is made of them: the client, keys, policies.

Used by ``cli.commands.look``, ``cli.commands.machine``, ``cli.commands.make``, ``cli.commands.mlflow``,
``cli.commands.promote``, ``cli.commands.vouch``: ``client`` (json_option, markdown_option, network_options,
new_reference, push_option, tag_option, variant_option); ``decision`` (decision_command); ``gate`` (gate_options);
``keys`` (key_option, KeyName, load_policy, load_signer, load_trust, PASSWORD_VARIABLE, policy_option, require_policy,
require_signer, trust_option); ``mlflow_alias`` (alias_of, alias_options, follow).

    >>> import click
    >>> from kitops_orchestration.cli.options.client import json_option
    >>> [option.name for option in click.command()(json_option(lambda as_json: None)).params]
    ['as_json']
"""
