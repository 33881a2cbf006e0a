"""Uploads: StartBlobUpload reserves an address, to which the bytes are PUT; a dataset then takes the blob by its token.

The address needs no login and speaks Google's protocol for resumable uploads, as kaggle_api_extended.py does
(`upload_complete`, `_resume_upload`): an empty PUT with `Content-Range: bytes */N` asks how much has arrived.
"""

import re
import secrets
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from workers.emulator.dataset_store import Blob, DatasetStore
from workers.emulator.outputs import storage_error
from workers.emulator.wire import ApiError

_QUESTION = re.compile(r"bytes \*/(\d+)")
_PART = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Blobs:
    """The uploads below `folder`; `base_url` is where this emulator listens."""

    def __init__(self, store: DatasetStore, folder: Path, base_url: str) -> None:
        self._store = store
        self._folder = folder
        self._base_url = base_url
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, request: dict[str, Any]) -> dict[str, Any]:
        """StartBlobUpload: a token and an address that is no secret of the account, but cannot be guessed."""
        name, size = request.get("name") or "", request.get("contentLength") or 0
        if request.get("type") != "DATASET":
            raise ApiError(501, "The emulator takes blobs for datasets only.")
        if not name or Path(name).name != name or name in {".", ".."}:
            raise ApiError(400, "The name of a blob is a plain file name.")
        blob = Blob(token=secrets.token_hex(32), upload=secrets.token_urlsafe(32), name=name, size=size)
        self._store.add_blob(blob)
        return {"token": blob.token, "createUrl": f"{self._base_url}/upload/{blob.upload}"}

    async def receive(self, upload: str, request: Request) -> Response:
        """A PUT to the address of an upload."""
        blob = self._store.uploaded_as(upload)
        if blob is None:
            return storage_error(404, "NoSuchUpload")
        content_range = request.headers.get("content-range", "")
        if _QUESTION.fullmatch(content_range):
            return self._progress(blob)
        part = _PART.fullmatch(content_range)
        start = int(part[1]) if part else 0
        path = self._path(blob)
        path.touch()
        if (content_range and part is None) or start > path.stat().st_size:
            return storage_error(400, "InvalidRange")
        with path.open("r+b") as file:
            file.truncate(start)
            file.seek(start)
            # What arrives before a connection breaks is kept: the rest may follow.
            async for piece in request.stream():
                if file.tell() + len(piece) > blob.size:
                    return storage_error(400, "EntityTooLarge")
                file.write(piece)
        return self._progress(blob)

    def complete(self, token: str) -> tuple[Blob, Path]:
        """A blob that has arrived whole, and its file. Raises 400."""
        blob = self._store.blob(token)
        if blob is None or not self._is_whole(blob):
            raise ApiError(400, "A file's token is unknown, or its upload is not complete.")
        return blob, self._path(blob)

    def forget(self, blob: Blob) -> None:
        """Removes a blob that a dataset has taken."""
        self._path(blob).unlink(missing_ok=True)
        self._store.remove_blob(blob)

    def _progress(self, blob: Blob) -> Response:
        if self._is_whole(blob):
            return Response(status_code=200)
        arrived = self._path(blob).stat().st_size if self._path(blob).exists() else 0
        return Response(status_code=308, headers={"Range": f"bytes=0-{arrived - 1}"} if arrived else {})

    def _is_whole(self, blob: Blob) -> bool:
        path = self._path(blob)
        return path.exists() and path.stat().st_size == blob.size

    def _path(self, blob: Blob) -> Path:
        return self._folder / blob.token
