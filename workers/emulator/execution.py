"""Executes a session's notebook with papermill, as Kaggle does, writing the log while its cells run.

Imported by the runner only: papermill takes a second to import.
"""

import json
import sys
import time
from typing import Any
from uuid import uuid4

from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
from papermill.execute import execute_notebook
from traitlets.config import Config

from workers.emulator.logs import LogWriter
from workers.emulator.workspace import Workspace

KERNEL_START_SECONDS = 120
"""How long papermill waits for the kernel; generous, because many may start at once on a small machine."""

STATEMENT = "::emulator "
"""A line of stdout with this prefix and {"work_seconds": S} states how long the session's work is to count as, for a
benchmark that models long work without doing it."""


class Execution:
    """One run of one notebook, and the clock of its cells."""

    def __init__(self, workspace: Workspace, started_at: float, boot_seconds: float) -> None:
        self.workspace = workspace
        self.log = LogWriter(workspace.log, started_at, self._read_statement)
        self.cells_not_before = started_at + boot_seconds
        self.cell_seconds = 0.0
        self.stated_seconds: float | None = None

    def run(self) -> None:
        """Executes the notebook; raises what papermill raises when it fails."""
        execute_notebook(
            self.workspace.notebook,
            self.workspace.working / "__notebook__.ipynb",
            engine_name="session",
            cwd=self.workspace.working,
            progress_bar=False,
            log_output=True,
            execution=self,
        )

    def _read_statement(self, line: str) -> None:
        if line.startswith(STATEMENT):
            self.stated_seconds = float(json.loads(line.removeprefix(STATEMENT))["work_seconds"])


class SessionClient(PapermillNotebookClient):  # type: ignore[misc]  # papermill ships no types
    """papermill's client, which waits for the end of the boot, times the cells and logs their output at once."""

    execution: Execution

    def papermill_execute_cells(self) -> None:
        execution = self.execution
        execution.workspace.add_process(self.km.provisioner.pid)
        time.sleep(max(0.0, execution.cells_not_before - time.time()))
        begun = time.monotonic()
        try:
            super().papermill_execute_cells()
        finally:
            execution.cell_seconds = time.monotonic() - begun

    def log_output_message(self, output: Any) -> None:
        if output.output_type == "stream":
            self.execution.log.write(output.name, output.text)


class SessionEngine(Engine):  # type: ignore[misc]  # papermill ships no types
    """papermill's own engine with a `SessionClient`."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str, *, execution: Execution, **_: Any
    ) -> None:
        client = SessionClient(
            nb_man,
            kernel_name=kernel_name,
            timeout=None,
            startup_timeout=KERNEL_START_SECONDS,
            iopub_timeout=KERNEL_START_SECONDS,
            log_output=True,
            config=_sockets(),
        )
        client.execution = execution
        client.execute()


def _sockets() -> Config:
    """Sockets that are names alone, where Linux has them: a session of Kaggle's never finds its ports taken."""
    if sys.platform != "linux":
        return Config()
    return Config(KernelManager={"transport": "ipc", "ip": f"@kavox-{uuid4()}"})


papermill_engines.register("session", SessionEngine)
