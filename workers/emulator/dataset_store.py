"""What the emulator remembers of blobs and datasets, in the same SQLite file as its kernels."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS blobs (
    token TEXT PRIMARY KEY, upload TEXT NOT NULL UNIQUE, name TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS datasets (
    id INTEGER PRIMARY KEY AUTOINCREMENT, slug TEXT NOT NULL, title TEXT NOT NULL, subtitle TEXT NOT NULL,
    license TEXT NOT NULL, private INTEGER NOT NULL, created_at REAL NOT NULL, deleted_at REAL);
CREATE UNIQUE INDEX IF NOT EXISTS living_datasets ON datasets (slug) WHERE deleted_at IS NULL;
CREATE TABLE IF NOT EXISTS dataset_versions (
    dataset_id INTEGER NOT NULL REFERENCES datasets, number INTEGER NOT NULL, notes TEXT NOT NULL, files TEXT NOT NULL,
    created_at REAL NOT NULL, ready_at REAL NOT NULL, failed INTEGER NOT NULL, PRIMARY KEY (dataset_id, number));
"""


@dataclass(frozen=True)
class Blob:
    """An upload: `upload` names its address, `token` is what a dataset takes for it."""

    token: str
    upload: str
    name: str
    size: int


@dataclass(frozen=True)
class Dataset:
    """Files at an address; moments are epoch seconds."""

    id: int
    slug: str
    title: str
    subtitle: str
    license: str
    private: bool
    created_at: float
    deleted_at: float | None


@dataclass(frozen=True)
class DatasetVersion:
    """One version: `files` by name, each with its size in bytes. It is processed until `ready_at`."""

    dataset_id: int
    number: int
    notes: str
    files: Mapping[str, int]
    created_at: float
    ready_at: float
    failed: bool

    def status(self, now: float) -> str:
        """By the names that Kaggle sends (kagglesdk `DatabundleVersionStatus`)."""
        if now < self.ready_at:
            return "BLOBS_RECEIVED"
        return "FAILED" if self.failed else "READY"


class DatasetStore:
    """Every method is a transaction of its own, or part of `transaction`; used from the event loop's thread only."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is stored within it is stored, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def add_blob(self, blob: Blob) -> None:
        row = (blob.token, blob.upload, blob.name, blob.size)
        self._db.execute("INSERT INTO blobs (token, upload, name, size) VALUES (?, ?, ?, ?)", row)

    def uploaded_as(self, upload: str) -> Blob | None:
        """The blob that is uploaded at this address."""
        row = self._db.execute("SELECT * FROM blobs WHERE upload = ?", (upload,)).fetchone()
        return Blob(**row) if row else None

    def blob(self, token: str) -> Blob | None:
        row = self._db.execute("SELECT * FROM blobs WHERE token = ?", (token,)).fetchone()
        return Blob(**row) if row else None

    def remove_blob(self, blob: Blob) -> None:
        self._db.execute("DELETE FROM blobs WHERE token = ?", (blob.token,))

    def dataset(self, slug: str) -> Dataset | None:
        """The living dataset at this slug, else the last one that was deleted from it."""
        order = "ORDER BY deleted_at IS NOT NULL, id DESC LIMIT 1"
        row = self._db.execute(f"SELECT * FROM datasets WHERE slug = ? {order}", (slug,)).fetchone()  # noqa: S608 constant
        return _dataset(row) if row else None

    def datasets(self) -> list[Dataset]:
        """Every dataset that was not deleted, the newest first."""
        rows = self._db.execute("SELECT * FROM datasets WHERE deleted_at IS NULL ORDER BY id DESC")
        return [_dataset(row) for row in rows]

    def add_dataset(self, **values: Any) -> Dataset:
        """`values` are the fields of a `Dataset` but its id and the moment of its deletion."""
        names, marks = ", ".join(values), ", ".join("?" for _ in values)
        cursor = self._db.execute(
            f"INSERT INTO datasets ({names}) VALUES ({marks})",  # noqa: S608 field names, no input
            tuple(values.values()),
        )
        return Dataset(id=int(cursor.lastrowid or 0), deleted_at=None, **values)

    def delete_dataset(self, dataset: Dataset, now: float) -> None:
        self._db.execute("UPDATE datasets SET deleted_at = ? WHERE id = ?", (now, dataset.id))

    def versions(self, dataset: Dataset) -> Sequence[DatasetVersion]:
        """A dataset's versions that were not deleted, the oldest first."""
        rows = self._db.execute("SELECT * FROM dataset_versions WHERE dataset_id = ? ORDER BY number", (dataset.id,))
        return [_version(row) for row in rows]

    def add_version(self, version: DatasetVersion) -> None:
        row = (
            version.dataset_id, version.number, version.notes, json.dumps(version.files), version.created_at,
            version.ready_at, version.failed,
        )  # fmt: skip
        self._db.execute("INSERT INTO dataset_versions VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def delete_version(self, version: DatasetVersion) -> None:
        where = (version.dataset_id, version.number)
        self._db.execute("DELETE FROM dataset_versions WHERE dataset_id = ? AND number = ?", where)


def _dataset(row: sqlite3.Row) -> Dataset:
    return Dataset(**{**dict(row), "private": bool(row["private"])})


def _version(row: sqlite3.Row) -> DatasetVersion:
    return DatasetVersion(**{**dict(row), "files": json.loads(row["files"]), "failed": bool(row["failed"])})
