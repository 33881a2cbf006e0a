"""Scripted sessions: what a session shows instead of executing its notebook, told over /control/scripts (control.py).

    {"states": [{"status": "QUEUED", "seconds": 0.1}, {"status": "RUNNING", "seconds": 2}, {"status": "COMPLETE"}],
     "outputs": {"a.txt": "a text", "a.wav": {"base64": "UklGRg=="}, "result.json": {"json": {"items": []}}},
     "log": ["a line", {"stream_name": "stderr", "time": 1.5, "data": "another\\n"}],
     "failure_message": ""}

`states` follow each other, each for its seconds; the last stays for ever and needs none. COMPLETE, ERROR and
CANCEL_ACKNOWLEDGED are ends and come last; a script that ends otherwise never does, whatever the time-out of the push
was, until its kernel is deleted. The session holds its machine, and a GPU is billed, from the first state that is not
NEW_SCRIPT or QUEUED. Outputs are listed once it has ended, under any name, "../" included. A record of the log comes
`time` seconds after the machine was taken; a text alone is a line of stdout that comes at once.
"""

import base64
import binascii
import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.emulator.models import Status
from workers.emulator.store import Store
from workers.emulator.wire import ApiError

ENDS = {Status.COMPLETE, Status.ERROR, Status.CANCEL_ACKNOWLEDGED}
WAITING = {Status.NEW_SCRIPT, Status.QUEUED}

NAMES = [status.value for status in Status]

BOOK = "scripts"
"""The document of the store that has the scripts for pushes to come."""

DEFAULT_STATES = [{"status": "RUNNING", "seconds": 0}, {"status": "COMPLETE"}]

FIELDS: dict[str, type] = {"states": list, "outputs": dict, "log": list, "failure_message": str}


@dataclass(frozen=True)
class State:
    """One state of a script; `begins` is in seconds after the script did."""

    status: Status
    begins: float


@dataclass(frozen=True)
class Script:
    """A script, read; times are seconds after it began, those of the log seconds after the machine was taken."""

    states: tuple[State, ...]
    outputs: Mapping[str, bytes]
    log: tuple[Mapping[str, Any], ...]
    failure_message: str

    def at(self, seconds: float) -> State:
        """The state at this time."""
        return [state for state in self.states if state.begins <= max(0.0, seconds)][-1]

    @property
    def starts(self) -> float | None:
        """When the machine is taken; None when it never is."""
        return next((state.begins for state in self.states if state.status not in WAITING), None)

    def log_at(self, seconds: float) -> list[Mapping[str, Any]]:
        """What has been logged by this time; all of it once the session has ended."""
        if self.at(seconds).status in ENDS:
            return list(self.log)
        if self.starts is None:
            return []
        return [record for record in self.log if self.starts + record["time"] <= seconds]


def read_script(given: Mapping[str, Any]) -> Script:
    """A script from its JSON. Raises 400 with what is wrong with it."""
    for field, value in given.items():
        _expect(field in FIELDS and isinstance(value, FIELDS[field]), f"{field} is no field of a script, or wrong")
    return Script(
        _states(given.get("states", DEFAULT_STATES)),
        {name: _content(name, value) for name, value in given.get("outputs", {}).items()},
        tuple(_record(record) for record in given.get("log", [])),
        given.get("failure_message", ""),
    )


def check_script(script: Any) -> dict[str, Any]:
    """A script for pushes to come, with its defaults. Raises 400 with what is wrong with it."""
    if not isinstance(script, Mapping):
        raise ApiError(400, "A script is an object.")
    whole: dict[str, Any] = {"slug": "*", "times": 1} | dict(script)
    slug, times = whole["slug"], whole["times"]
    if not isinstance(slug, str) or not (times is None or (type(times) is int and times > 0)):
        raise ApiError(400, "The slug of a script is a pattern, and its times a number from 1 or null.")
    read_script(_of_session(whole))
    return whole


def take_script(store: Store, slug: str) -> dict[str, Any] | None:
    """The script for a push to this slug, used up by one; None for a push that is executed."""
    scripts: list[dict[str, Any]] = store.document(BOOK) or []
    found = next((script for script in scripts if fnmatch.fnmatchcase(slug, script["slug"])), None)
    if found is None:
        return None
    if found["times"] is not None:
        found["times"] -= 1
        store.keep_document(BOOK, [script for script in scripts if script["times"] != 0])
    return _of_session(found)


def _of_session(script: Mapping[str, Any]) -> dict[str, Any]:
    """What a script for pushes to come tells a session."""
    return {field: value for field, value in script.items() if field not in {"slug", "times"}}


def _states(given: list[Any]) -> tuple[State, ...]:
    _expect(bool(given), "a script needs a state")
    states: list[State] = []
    begins = 0.0
    for number, state in enumerate(given):
        last = number == len(given) - 1
        _expect(isinstance(state, dict) and state.keys() <= {"status", "seconds"}, "a state has status and seconds")
        name, seconds = state.get("status"), state.get("seconds")
        _expect(isinstance(name, str) and name in NAMES, f"a status is one of {', '.join(NAMES)}")
        status = Status(name)
        _expect(last or status not in ENDS, f"{status.value} is an end, and nothing comes after it")
        _expect((last and seconds is None) or _is_time(seconds), "every state but the last needs seconds")
        states.append(State(status, begins))
        begins += seconds or 0.0
    return tuple(states)


def _content(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and value.keys() == {"json"}:
        return json.dumps(value["json"]).encode()
    if isinstance(value, dict) and value.keys() == {"base64"} and isinstance(value["base64"], str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except binascii.Error:
            pass
    raise ApiError(400, f'The output {name} must be a text, {{"json": …}} or {{"base64": "…"}}.')


def _record(record: Any) -> Mapping[str, Any]:
    if isinstance(record, str):
        return {"stream_name": "stdout", "time": 0.0, "data": record.removesuffix("\n") + "\n"}
    _expect(isinstance(record, dict), "a record of the log is a text or an object")
    whole: dict[str, Any] = {"stream_name": "stdout", "time": 0.0, "data": ""} | record
    known = whole.keys() == {"stream_name", "time", "data"} and _is_time(whole["time"])
    _expect(known and isinstance(whole["data"], str), "a record of the log has stream_name, time and data")
    return whole


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _expect(condition: bool, complaint: str) -> None:
    if not condition:
        raise ApiError(400, f"Wrong script: {complaint}.")
