"""Finished audio and recordings: files below a folder, or objects in a bucket, behind one interface.

A file's name is made of the job's id and the content's sha256. What the file is (type, size, sha256) stands in the job,
because a local folder keeps no attributes. Writing is atomic: a reader sees the whole file or none.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from app.shared.errors import ConfigurationError, Gone, StorageFull, StoreUnavailable

_CHUNK_BYTES = 256 * 1024


def audio_name(job_id: str, sha256: str, extension: str) -> str:
    """The name under which a job's audio is kept; another content gets another name, so nothing is overwritten."""
    return f"{job_id}-{sha256[:16]}.{extension}"


class AudioStore:
    """Puts, streams and removes audio files."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open(cls, url: str | None, directory: Path) -> "AudioStore":
        """The store at `url` (s3://…, gs://…, az://…, file:///…), or in `directory` when there is none.

        Raises ConfigurationError when it cannot be used.
        """
        try:
            return cls(from_url(url) if url else LocalStore(directory.resolve(), mkdir=True))
        except (BaseError, OSError, ValueError) as error:
            raise ConfigurationError(
                f"KAVOX_AUDIO_URL or KAVOX_DATA_DIR: cannot keep audio there: {_cause(error)}"
            ) from None

    def put(self, name: str, content: Path | bytes) -> None:
        """Copies a file or its bytes into the store, in place of one with the same name. Raises StorageFull."""
        try:
            obstore.put(self._store, name, content)
        except (BaseError, OSError) as error:
            raise StorageFull(f"the audio cannot be stored: {_cause(error)}; free some space") from None

    def fetch(self, name: str) -> bytes:
        """The whole file. Raises Gone when it is not there, or StoreUnavailable."""
        try:
            return bytes(obstore.get(self._store, name).bytes())
        except FileNotFoundError:
            raise Gone("the audio is no longer stored", code="audio_expired") from None
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"the audio cannot be read: {_cause(error)}") from None

    async def stream(self, name: str) -> AsyncIterator[bytes]:
        """The file's bytes, piece by piece. Raises at once Gone when it is not there, or StoreUnavailable."""
        try:
            answer = await obstore.get_async(self._store, name)
        except FileNotFoundError:
            raise Gone("the audio is no longer stored", code="audio_expired") from None
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"the audio cannot be read: {_cause(error)}; try again in a moment") from None
        return _pieces(answer)

    def delete(self, name: str) -> None:
        """Removes a file; one that is not there is no error. Raises StoreUnavailable."""
        try:
            obstore.delete(self._store, name)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"the audio cannot be removed: {_cause(error)}") from None


async def _pieces(answer: "obstore.GetResult") -> AsyncIterator[bytes]:
    async for piece in answer.stream(min_chunk_size=_CHUNK_BYTES):
        yield bytes(piece)


def _cause(error: Exception) -> str:
    return str(error).partition("\n")[0]
