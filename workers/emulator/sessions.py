"""Moves sessions along: launches what is due, and sees what has ended.

Everything derives from stored moments and from what the runners leave in their folders, so that any reader may bring a
session up to date at any time, and a restarted emulator goes on where the last one stopped:

    QUEUED   until launch_at; then started_at is stored and the runner is started, in this order: a crash in between is
             seen by the missing process note, and the runner is started then
    RUNNING  until started_at + boot + work + tail, and never before the runner has ended and the tail has passed
    ended    also when the limit has passed (CANCEL_ACKNOWLEDGED) or the runner has died without a result (ERROR)

A scripted session has no runner: its state derives from its script and the moment when that began.
"""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from workers.emulator.launcher import Launcher
from workers.emulator.logs import append_records
from workers.emulator.models import Session, Status
from workers.emulator.outputs import output_names
from workers.emulator.scripts import ENDS, Script, read_script
from workers.emulator.store import Store
from workers.emulator.workspace import Result, Workspace

REAP_SECONDS = 5.0
"""Longest time between two looks at all open sessions, without any request."""


class Sessions:
    """The sessions of every kernel of this emulator."""

    def __init__(self, store: Store, folder: Path, launcher: Launcher, inputs: Path | None) -> None:
        """What is in `inputs` is among the inputs of every session."""
        self._inputs = inputs
        self._store = store
        self._folder = folder
        self._launcher = launcher

    def prepare(self, session: Session, source: str, datasets: Mapping[str, Path]) -> None:
        """Makes the session's folder, before anything can launch it; `datasets` are the folders to show, by place."""
        workspace = self.workspace(session)
        workspace.create(source, self._inputs)
        for place, folder in datasets.items():
            workspace.mount(place, folder)

    def workspace(self, session: Session) -> Workspace:
        return Workspace(self._folder / str(session.id))

    def advance_all(self) -> None:
        """Brings every open session up to date."""
        self._launcher.reap()
        for session in self._store.open_sessions():
            self.advance(session)

    def advance(self, session: Session) -> Session:
        """The session as it is now, launched or ended where that was due."""
        now = time.time()
        if session.ended or now < session.launch_at:
            return session
        if session.scripted:
            self._follow_script(session, now)
            return self._store.session(session.id) or session
        workspace = self.workspace(session)
        if session.started_at is None:
            self._store.start_session(session.id, now)
            self._launcher.start(workspace, now, session.boot_seconds)
        elif not workspace.processes():
            self._launcher.start(workspace, session.started_at, session.boot_seconds)
        else:
            self._end_if_due(session, session.started_at, workspace, now)
        return self._store.session(session.id) or session

    def end(self, session: Session) -> None:
        """Stops a session that has not ended by itself; what it has used so far is billed."""
        session = self.advance(session)
        if not session.ended:
            self._launcher.kill(self.workspace(session))
            now = time.time()
            self._store.end_session(session.id, now, Status.CANCEL_ACKNOWLEDGED, session.seconds(now))

    def status(self, session: Session) -> tuple[Status, str]:
        """What Kaggle says of a session that is up to date: its status, and the failure message, mostly empty."""
        scripted = self._script(session)
        if scripted is None:
            return session.status, ""
        begun_at, script = scripted
        if session.ended:
            return session.status, script.failure_message
        return script.at(time.time() - begun_at).status, ""

    def output_names(self, session: Session) -> list[str]:
        scripted = self._script(session)
        return sorted(scripted[1].outputs) if scripted else output_names(self.workspace(session).working)

    def output(self, session: Session, name: str) -> Path | bytes | None:
        """An output file, or the content of a scripted one; None when there is no such output."""
        if scripted := self._script(session):
            return scripted[1].outputs.get(name)
        path = self.workspace(session).working / name
        return path if path.is_file() else None

    def remove_files(self, session: Session) -> None:
        shutil.rmtree(self.workspace(session).path, ignore_errors=True)
        self._store.remove_script(session.id)

    def seconds_until_due(self) -> float:
        """How long nothing will change that no request would notice by itself: a launch or a limit."""
        moments = [
            session.launch_at if session.started_at is None else session.started_at + session.limit_seconds
            for session in self._store.open_sessions()
            # Whatever a script does can wait for the next reader.
            if not session.scripted
        ]
        return min([REAP_SECONDS, *(max(0.0, moment - time.time()) for moment in moments)])

    def _script(self, session: Session) -> tuple[float, Script] | None:
        kept = self._store.script(session.id) if session.scripted else None
        return (kept[0], read_script(kept[1])) if kept else None

    def _follow_script(self, session: Session, now: float) -> None:
        scripted = self._script(session)
        if scripted is None:
            return
        begun_at, script = scripted
        started_at = session.started_at
        if started_at is None and script.starts is not None and begun_at + script.starts <= now:
            started_at = begun_at + script.starts
            self._store.start_session(session.id, started_at)
        append_records(self.workspace(session).log, script.log_at(now - begun_at))
        state = script.at(now - begun_at)
        if state.status in ENDS:
            ended_at = begun_at + state.begins
            seconds = ended_at - started_at if started_at is not None else 0.0
            self._store.end_session(session.id, ended_at, state.status, seconds)

    def _end_if_due(self, session: Session, started_at: float, workspace: Workspace, now: float) -> None:
        # Liveness is read before the result: a runner that ends in between has left one.
        alive = workspace.alive()
        result = workspace.result()
        limit_at = started_at + session.limit_seconds
        if result is not None:
            seconds, ends_at, outcome = _natural_end(session, started_at, result)
        elif alive:
            seconds, ends_at, outcome = session.limit_seconds, limit_at, Status.CANCEL_ACKNOWLEDGED
        else:
            ends_at = max(started_at, workspace.last_sign_of_life() or started_at)
            seconds, outcome = ends_at - started_at, Status.ERROR
        if ends_at > limit_at:
            seconds, ends_at, outcome = session.limit_seconds, limit_at, Status.CANCEL_ACKNOWLEDGED
        if now >= ends_at:
            self._launcher.kill(workspace)
            self._store.end_session(session.id, ends_at, outcome, seconds)


def _natural_end(session: Session, started_at: float, result: Result) -> tuple[float, float, Status]:
    """The length in seconds, the moment and the outcome of a session whose cells have ended."""
    seconds = session.boot_seconds + result.work_seconds(session.time_scale) + session.tail_seconds
    ends_at = max(started_at + seconds, result.finished_at + session.tail_seconds)
    return seconds, ends_at, Status.ERROR if result.failed else Status.COMPLETE
