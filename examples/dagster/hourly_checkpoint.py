"""Every hour: a witness signs what each repository holds, so that nothing is taken away unseen.

The resource ``witness`` has the witness's key, which nobody else has and which signs nothing else, and the trust policy
that gives its owner the role ``witness``. The first checkpoint of a repository is made by hand, with ``kitctl
checkpoint``: this only renews, so that whoever deletes a checkpoint does not get a new one that misses nothing. When
something is gone that the last one lists, the step fails with its name, and nothing is written. Environment variables
say where things are::

    dagster dev -f examples/dagster/hourly_checkpoint.py
"""

import dagster as dg

from dagster_kitops import KitOpsResource, ModelKitSignerResource, TrustResource

REPOSITORIES = ["wine"]


class Witnessed(dg.Config):
    repository: str
    valid_hours: float = 24


@dg.op
def checkpoint(context: dg.OpExecutionContext, config: Witnessed, witness: KitOpsResource) -> str:
    """Sign what the repository holds; in the next hour again, and nothing is written while nothing changed."""
    made = witness.get_client().checkpoint(config.repository, valid_hours=config.valid_hours, renew_only=True)
    context.log.info("%s: checkpoint %s, until %s", config.repository, made.version, made.statement.expires_on)
    return str(made.reference)


@dg.job
def witness_repository():
    checkpoint()


@dg.schedule(job=witness_repository, cron_schedule="7 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def every_hour(context: dg.ScheduleEvaluationContext):
    """One run for each repository: one that lost something stops none of the others."""
    for repository in REPOSITORIES:
        config = dg.RunConfig(ops={"checkpoint": Witnessed(repository=repository)})
        yield dg.RunRequest(f"{repository}-{context.scheduled_execution_time:%Y-%m-%dT%H}", run_config=config)


defs = dg.Definitions(
    jobs=[witness_repository],
    schedules=[every_hour],
    resources={
        "witness": KitOpsResource(
            registry=dg.EnvVar("KITOPS_REGISTRY"),
            signer=ModelKitSignerResource(
                private_key_path=dg.EnvVar("KITOPS_WITNESS_KEY"), password=dg.EnvVar("KITOPS_WITNESS_PASSWORD")
            ),
            trust=TrustResource(policy_path=dg.EnvVar("KITOPS_TRUST_POLICY")),
        )
    },
)
