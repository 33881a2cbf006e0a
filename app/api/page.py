"""GET /: the page for people. Its files are in `static/`; all that it shows comes from the API's own public addresses.

Its scripts and styles are served below an address that has a digest of them all in it, so that browsers keep them for
good and never mix those of two versions. The page itself is asked for each time.
"""

import hashlib
import html
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.api.voice_form import UPLOAD_NOTICE

PATH = "/"
_FILES = Path(__file__).with_name("static")
_FOR_GOOD = "public, max-age=31536000, immutable"
# Nothing but our own files; audio is played from memory (blob:), because a key cannot go into its address. No script
# may write HTML: what callers and notebooks have written is only ever shown as text.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def install(app: FastAPI) -> None:
    """Serves the page and its files."""
    assets = f"page/{_digest()}"
    source = (_FILES / "index.html").read_text(encoding="utf-8")
    page = source.replace("{{assets}}", assets).replace("{{upload_notice}}", html.escape(UPLOAD_NOTICE))

    async def show() -> HTMLResponse:
        """The page."""
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})

    app.mount(f"/{assets}", _Kept(directory=_FILES))
    app.add_api_route(PATH, show, include_in_schema=False, response_class=HTMLResponse)


class _Kept(StaticFiles):
    """Files that never change under their address."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _FOR_GOOD
        return response


def _digest() -> str:
    """The same for as long as none of the files changes."""
    digest = hashlib.sha256()
    for file in sorted(path for path in _FILES.rglob("*") if path.is_file()):
        digest.update(file.relative_to(_FILES).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
