"""The emulator's memory in SQLite: it survives restarts and `kill -9`.

One connection, used from the event loop's thread only. Every method is a transaction of its own, or part of one that
`transaction` has begun.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from workers.emulator.models import Kernel, Session, Status

SCHEMA = """
CREATE TABLE IF NOT EXISTS kernels (
    id INTEGER PRIMARY KEY AUTOINCREMENT, slug TEXT NOT NULL, title TEXT NOT NULL,
    created_at REAL NOT NULL, deleted_at REAL);
CREATE UNIQUE INDEX IF NOT EXISTS living_slugs ON kernels (slug) WHERE deleted_at IS NULL;
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kernel_id INTEGER NOT NULL REFERENCES kernels, version INTEGER NOT NULL,
    settings TEXT NOT NULL, gpu INTEGER NOT NULL, pushed_at REAL NOT NULL, launch_at REAL NOT NULL,
    boot_seconds REAL NOT NULL, tail_seconds REAL NOT NULL, time_scale REAL NOT NULL, limit_seconds REAL NOT NULL,
    started_at REAL, ended_at REAL, outcome TEXT, length_seconds REAL NOT NULL DEFAULT 0,
    UNIQUE (kernel_id, version));
CREATE INDEX IF NOT EXISTS open_sessions ON sessions (id) WHERE ended_at IS NULL;
CREATE TABLE IF NOT EXISTS counters (kind TEXT, name TEXT, count INTEGER NOT NULL, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS faults (id INTEGER PRIMARY KEY AUTOINCREMENT, fault TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS session_scripts (
    session_id INTEGER PRIMARY KEY REFERENCES sessions, begun_at REAL NOT NULL, script TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, document TEXT NOT NULL);
"""

_SESSIONS = "SELECT sessions.*, id IN (SELECT session_id FROM session_scripts) AS scripted FROM sessions"


class Store:
    """Kernels, sessions, counters and scripted faults below one data directory."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # WAL with NORMAL loses nothing when a process is killed, only (perhaps) when the machine loses power.
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + SCHEMA)

    def close(self) -> None:
        self._db.close()

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

    # Kernels

    def kernel(self, slug: str) -> Kernel | None:
        """The living kernel at this slug, else the last one that was deleted from it."""
        order = "ORDER BY deleted_at IS NOT NULL, id DESC LIMIT 1"
        row = self._db.execute(f"SELECT * FROM kernels WHERE slug = ? {order}", (slug,)).fetchone()  # noqa: S608 constant
        return Kernel(**row) if row else None

    def kernel_by_id(self, kernel_id: int) -> Kernel | None:
        row = self._db.execute("SELECT * FROM kernels WHERE id = ?", (kernel_id,)).fetchone()
        return Kernel(**row) if row else None

    def kernels(self) -> list[Kernel]:
        """Every kernel that was not deleted."""
        return [Kernel(**row) for row in self._db.execute("SELECT * FROM kernels WHERE deleted_at IS NULL ORDER BY id")]

    def add_kernel(self, slug: str, title: str, now: float) -> Kernel:
        cursor = self._db.execute("INSERT INTO kernels (slug, title, created_at) VALUES (?, ?, ?)", (slug, title, now))
        return Kernel(int(cursor.lastrowid or 0), slug, title, now, None)

    def rename_kernel(self, kernel: Kernel, slug: str, title: str) -> Kernel:
        self._db.execute("UPDATE kernels SET slug = ?, title = ? WHERE id = ?", (slug, title, kernel.id))
        return replace(kernel, slug=slug, title=title)

    def delete_kernel(self, kernel: Kernel, now: float) -> None:
        self._db.execute("UPDATE kernels SET deleted_at = ? WHERE id = ?", (now, kernel.id))

    # Sessions

    def add_session(self, **values: Any) -> Session:
        """Adds the next version of a kernel; `values` are the fields of a `Session` but its id and version."""
        values["version"] = len(self.sessions_of(values["kernel_id"])) + 1
        row = values | {"settings": json.dumps(values["settings"])}
        marks = ", ".join("?" for _ in row)
        cursor = self._db.execute(
            f"INSERT INTO sessions ({', '.join(row)}) VALUES ({marks})",  # noqa: S608 field names, no input
            tuple(row.values()),
        )
        return Session(id=int(cursor.lastrowid or 0), **values)

    def sessions_of(self, kernel_id: int) -> list[Session]:
        """A kernel's sessions, oldest version first."""
        rows = self._db.execute(f"{_SESSIONS} WHERE kernel_id = ? ORDER BY version", (kernel_id,))
        return _sessions(rows)

    def session(self, session_id: int) -> Session | None:
        found = _sessions(self._db.execute(f"{_SESSIONS} WHERE id = ?", (session_id,)))
        return found[0] if found else None

    def sessions(self) -> list[Session]:
        """Every session there ever was, those of deleted kernels too."""
        return _sessions(self._db.execute(f"{_SESSIONS} ORDER BY id"))

    def open_sessions(self) -> list[Session]:
        return _sessions(self._db.execute(f"{_SESSIONS} WHERE ended_at IS NULL ORDER BY id"))

    def start_session(self, session_id: int, started_at: float) -> None:
        self._db.execute("UPDATE sessions SET started_at = ? WHERE id = ?", (started_at, session_id))

    def end_session(self, session_id: int, ended_at: float, outcome: Status, length_seconds: float) -> None:
        self._db.execute(
            "UPDATE sessions SET ended_at = ?, outcome = ?, length_seconds = ? WHERE id = ? AND ended_at IS NULL",
            (ended_at, outcome.value, length_seconds, session_id),
        )

    # Scripts of sessions

    def set_script(self, session_id: int, begun_at: float, script: dict[str, Any]) -> None:
        """Lets a session follow a script from this moment on."""
        row = (session_id, begun_at, json.dumps(script))
        self._db.execute("INSERT OR REPLACE INTO session_scripts VALUES (?, ?, ?)", row)

    def script(self, session_id: int) -> tuple[float, dict[str, Any]] | None:
        """The moment since which a session follows a script, and the script."""
        found = self._db.execute("SELECT * FROM session_scripts WHERE session_id = ?", (session_id,)).fetchone()
        return (found["begun_at"], json.loads(found["script"])) if found else None

    def remove_script(self, session_id: int) -> None:
        self._db.execute("DELETE FROM session_scripts WHERE session_id = ?", (session_id,))

    # Counters, faults, what /control was told, the signing key

    def count(self, kind: str, name: str) -> None:
        self._db.execute(
            "INSERT INTO counters VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
            (kind, name),
        )

    def counts(self, kind: str) -> dict[str, int]:
        rows = self._db.execute("SELECT name, count FROM counters WHERE kind = ? ORDER BY name", (kind,))
        return {row["name"]: row["count"] for row in rows}

    def faults(self) -> dict[int, dict[str, Any]]:
        return {row["id"]: json.loads(row["fault"]) for row in self._db.execute("SELECT * FROM faults ORDER BY id")}

    def add_fault(self, fault: dict[str, Any]) -> None:
        self._db.execute("INSERT INTO faults (fault) VALUES (?)", (json.dumps(fault),))

    def change_fault(self, fault_id: int, fault: dict[str, Any]) -> None:
        self._db.execute("UPDATE faults SET fault = ? WHERE id = ?", (json.dumps(fault), fault_id))

    def remove_fault(self, fault_id: int) -> None:
        self._db.execute("DELETE FROM faults WHERE id = ?", (fault_id,))

    def document(self, name: str) -> Any:
        """A value that was kept under this name, None when there is none."""
        row = self._db.execute("SELECT document FROM documents WHERE name = ?", (name,)).fetchone()
        return json.loads(row["document"]) if row else None

    def keep_document(self, name: str, document: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?)", (name, json.dumps(document)))

    def signing_key(self) -> bytes:
        """The key of the download addresses, made once, so that they stay valid over a restart."""
        self._db.execute("INSERT OR IGNORE INTO secrets VALUES ('signing', ?)", (secrets.token_hex(32),))
        row = self._db.execute("SELECT value FROM secrets WHERE name = 'signing'").fetchone()
        return bytes.fromhex(row["value"])


def _sessions(rows: Iterable[sqlite3.Row]) -> list[Session]:
    sessions = []
    for row in rows:
        values = dict(row)
        values["settings"] = json.loads(values["settings"])
        values["gpu"], values["scripted"] = bool(values["gpu"]), bool(values["scripted"])
        values["outcome"] = Status(values["outcome"]) if values["outcome"] else None
        sessions.append(Session(**values))
    return sessions
