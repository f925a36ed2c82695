"""EmbeddedRegistry: a test double of a registry, served over real HTTP on a free loopback port.

It speaks distribution-spec 1.1 and can be told to misbehave the way real registries and networks do.  It is a
double, not a proof: what has to hold on real registries is tested on one.

    with EmbeddedRegistry(auth="token") as registry:
        registry.fail_next(method="PATCH", status=503, times=2, retry_after=1)
        push(registry.reference("team/iris:v1"))
        assert registry.count(method="GET", path_contains="/blobs/") == 0
"""

from kitops_orchestration.testing.registry.behaviour import Behaviour
from kitops_orchestration.testing.registry.faults import Fault
from kitops_orchestration.testing.registry.log import RequestRecord
from kitops_orchestration.testing.registry.server import EmbeddedRegistry

__all__ = ["Behaviour", "EmbeddedRegistry", "Fault", "RequestRecord"]
