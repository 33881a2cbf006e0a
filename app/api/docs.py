"""/docs, with scripts of our own: fastapi-offline brings the files that FastAPI's page would load from the internet.

And what /openapi.json says of keys: FastAPI would only know it from its own dependencies for them (`dependencies.py`).
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

PATH = "/docs"
_ASSETS = "/docs/assets"
_FILES = Path(fastapi_offline.__file__).parent / "static"
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


_KEYS = {
    "HTTPBearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of KAVOX_API_KEYS; none is needed where none is set.",
    },
    "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


class DocumentedKeys(FastAPI):
    """An application whose document asks for a key wherever 401 is an answer."""

    def openapi(self) -> dict[str, Any]:
        """The document."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["securitySchemes"] = _KEYS
            operations = (operation for methods in document["paths"].values() for operation in methods.values())
            for operation in operations:
                if "401" in operation["responses"]:
                    operation["security"] = [{name: []} for name in _KEYS]
        return super().openapi()


def install(app: FastAPI) -> None:
    """Serves the page and its files; an application with `docs_url=None` has none of its own."""
    app.mount(_ASSETS, StaticFiles(directory=_FILES))
    app.add_api_route(PATH, _page, include_in_schema=False, response_class=HTMLResponse)


async def _page(request: Request) -> HTMLResponse:
    """The API, to read and to try."""
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Kavox",
        swagger_js_url=f"{root}{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{root}{_ASSETS}/favicon.png",
    )
    page.headers["Content-Security-Policy"] = _policy(bytes(page.body).decode())
    return page


def _policy(page: str) -> str:
    """Only our own files and the page's own script, which is known by its hash, are run."""
    scripts = " ".join(f"'sha256-{_hash(script)}'" for script in _SCRIPT.findall(page))
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
