"""The plugin: a page in Airflow's UI for every ModelKit that Airflow knows as an asset."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow_kitops._compat import AirflowPlugin


class ModelKitPages:
    """The web application of the pages, made when the first request comes.

    Plugins are loaded by every process of Airflow; only the API server needs a web framework.
    """

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI request."""
        if self._app is None:
            from airflow_kitops.model_page import create_app

            self._app = create_app()
        await self._app(scope, receive, send)


class KitOpsPlugin(AirflowPlugin):
    """Adds *ModelKits* to the menu."""

    name = "kitops"
    fastapi_apps: ClassVar[list[Any]] = [{"app": ModelKitPages(), "url_prefix": "/kitops", "name": "ModelKits"}]
    external_views: ClassVar[list[Any]] = [
        {
            "name": "ModelKits",
            "href": "/kitops/models",
            "destination": "nav",
            "category": "browse",
            "url_route": "modelkits",
        }
    ]
