"""The plugin: a page in Airflow's UI for every ModelKit that Airflow knows as an asset, and a door for webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from airflow_kitops._compat import AirflowPlugin


class LateApp:
    """A web application that is made when the first request comes.

    Plugins are loaded by every process of Airflow; only the API server needs a web framework.
    """

    def __init__(self, create: Callable[[], Any]) -> None:
        self._create = create
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI request."""
        if self._app is None:
            self._app = self._create()
        await self._app(scope, receive, send)


def _pages() -> Any:
    from airflow_kitops.ui.model_page import create_app

    return create_app()


def _webhooks() -> Any:
    from airflow_kitops.ui.webhook import create_webhook_app

    return create_webhook_app()


class KitOpsPlugin(AirflowPlugin):
    """Adds *ModelKits* to the menu, and the address of webhooks."""

    name = "kitops"
    fastapi_apps: ClassVar[list[Any]] = [
        # The longer address first: the other would answer for it, and asks for a user of Airflow's.
        {"app": LateApp(_webhooks), "url_prefix": "/kitops/mlflow", "name": "MLflow webhooks"},
        {"app": LateApp(_pages), "url_prefix": "/kitops", "name": "ModelKits"},
    ]
    external_views: ClassVar[list[Any]] = [
        {
            "name": "ModelKits",
            "href": "/kitops/models",
            "icon": "/kitops/logo.svg",
            "destination": "nav",
            "category": "browse",
            "url_route": "modelkits",
        }
    ]
