"""From layers to a folder: fetched, verified, extracted beside the target, and shown in one step.

Used by ``cli.commands.make``, ``deploy``, ``modelkit``, ``modelkit.validation``: ``fetch`` (budget_for, Fetcher,
FetchTask); ``filters`` (Filter, model_only, parse_filters, takes_kitfile, takes_layer); ``overlay`` (Overlay);
``remote_datasets`` (ObjectFetcher, remote_datasets); ``reveal`` (Exists, reveal); ``workspace`` (Budget, LayerSink,
refuse_git_program, Workspace).

    >>> from kitops_orchestration.modelkit.unpacking.filters import parse_filters
    >>> len(parse_filters(["model", "datasets:train"]))
    2
"""
