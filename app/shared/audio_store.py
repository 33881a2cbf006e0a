"""Finished audio and recordings: files below a folder, or objects in a bucket, behind one interface.

A file's name is made of the job's id and the content's sha256. What the file is (type, size, sha256) stands in the job,
because a local folder keeps no attributes. Writing is atomic: a reader sees the whole file or none. In a folder it is
written as `name#1` until it is whole.
"""

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError
from obstore.store import LocalStore, ObjectStore, from_url

from app.shared.errors import ConfigurationError, Gone, StorageFull, StoreUnavailable

if TYPE_CHECKING:
    from obstore import GetOptions

_CHUNK_BYTES = 256 * 1024
_AT_ONE_STROKE_BYTES = 4 * 2**20
"""A minute and a half of speech as wav: what one request may take of the memory."""
_UNFINISHED = re.compile(r".+#[0-9]+")
_UNFINISHED_SECONDS = 3600


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

    def put_new(self, name: str, content: Path) -> bool:
        """Copies a file into the store unless there is one with that name already. Raises StorageFull."""
        try:
            obstore.put(self._store, name, content, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise StorageFull(f"the audio cannot be stored: {_cause(error)}; free some space") from None
        return True

    def copy(self, source: str, target: str) -> None:
        """Keeps a file under a second name too, unless there is one already; in a folder that is a link, for nothing.

        Raises Gone when the source is not there, StorageFull or StoreUnavailable.
        """
        with _copying():
            try:
                obstore.copy(self._store, source, target, overwrite=False)
            except NotSupportedError:
                # S3 has no such request. Whoever else makes this copy in between makes the same one.
                if not self.has(target):
                    obstore.copy(self._store, source, target)

    async def copy_async(self, source: str, target: str) -> None:
        """The same for the API."""
        with _copying():
            try:
                await obstore.copy_async(self._store, source, target, overwrite=False)
            except NotSupportedError:
                if not await self._has(target):
                    await obstore.copy_async(self._store, source, target)

    def fetch(self, name: str) -> bytes:
        """The whole file. Raises Gone when it is not there, or StoreUnavailable."""
        with _reading():
            return bytes(obstore.get(self._store, name).bytes())

    def download(self, name: str, target: Path) -> None:
        """Copies a file out of the store. Raises Gone when it is not there, or StoreUnavailable."""
        with _reading(), target.open("wb") as file:
            for piece in obstore.get(self._store, name).stream(min_chunk_size=_CHUNK_BYTES):
                file.write(piece)

    def pieces(self, name: str) -> Iterator[bytes]:
        """The file's bytes, piece by piece, for a thread. Raises Gone when it is not there, or StoreUnavailable."""
        with _reading():
            for piece in obstore.get(self._store, name).stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(piece)

    def has(self, name: str) -> bool:
        """Whether the file is there. Raises StoreUnavailable."""
        try:
            with _reading():
                obstore.head(self._store, name)
        except Gone:
            return False
        return True

    async def _has(self, name: str) -> bool:
        try:
            await self.size(name)
        except Gone:
            return False
        return True

    async def size(self, name: str) -> int:
        """The file's length in bytes. Raises Gone when it is not there, or StoreUnavailable."""
        with _reading():
            return int((await obstore.head_async(self._store, name))["size"])

    async def stream(self, name: str, part: range | None = None) -> AsyncIterator[memoryview]:
        """The file's bytes, or a part of them, piece by piece.

        Raises at once Gone when it is not there, or StoreUnavailable.
        """
        with _reading():
            wanted: GetOptions = {} if part is None else {"range": (part.start, part.stop)}
            answer = await obstore.get_async(self._store, name, options=wanted)
            return _pieces(answer, len(range(*answer.range)))

    def delete(self, *names: str) -> None:
        """Removes files, in one request where the store can; one that is not there is no error.

        Raises StoreUnavailable.
        """
        try:
            obstore.delete(self._store, names)
        except FileNotFoundError:
            # Nothing says what became of the others.
            for name in names if len(names) > 1 else ():
                self.delete(name)
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"the audio cannot be removed: {_cause(error)}") from None

    def clear_unfinished(self) -> int:
        """Removes from a folder what nobody has written to for an hour and never finished: its writer was killed.

        The number of files.
        """
        root = self._store.prefix if isinstance(self._store, LocalStore) else None
        before, count = time.time() - _UNFINISHED_SECONDS, 0
        for path in Path(root).rglob("*#*") if root else ():
            # Another worker may be clearing too.
            with suppress(OSError):
                if _UNFINISHED.fullmatch(path.name) and path.lstat().st_mtime < before:
                    path.unlink()
                    count += 1
        return count


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise Gone("the audio is no longer stored", code="audio_expired") from None
    except (BaseError, OSError) as error:
        raise StoreUnavailable(f"the audio cannot be read: {_cause(error)}; try again in a moment") from None


@contextmanager
def _copying() -> Iterator[None]:
    try:
        yield
    except AlreadyExistsError:
        # What is kept under a name is never replaced, so it is the same.
        pass
    except FileNotFoundError:
        raise Gone("the audio is no longer stored", code="audio_expired") from None
    except (BaseError, OSError) as error:
        raise StorageFull(f"the audio cannot be copied: {_cause(error)}; free some space") from None


async def _pieces(answer: "obstore.GetResult", size: int) -> AsyncIterator[memoryview]:
    if size <= _AT_ONE_STROKE_BYTES:
        # Far cheaper than a stream: a local file is streamed by reads of a few KB, each in a thread of its own.
        yield memoryview(await answer.bytes_async())
        return
    async for piece in answer.stream(min_chunk_size=_CHUNK_BYTES):
        yield memoryview(piece)


def _cause(error: Exception) -> str:
    return str(error).partition("\n")[0]
