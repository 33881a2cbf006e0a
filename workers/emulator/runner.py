"""The detached process of one session: `python -m workers.emulator.runner FOLDER STARTED_AT BOOT_SECONDS`.

It outlives the emulator, talks to it only through the session's folder, and holds that folder's lock, inherited from
the emulator, until it ends.
"""

import sys
import time
import traceback
from pathlib import Path

from workers.emulator.execution import Execution
from workers.emulator.workspace import Result, Workspace

DEBUGGER_WARNING = """\
0.00s - Debugger warning: It seems that frozen modules are being used, which may
0.00s - make the debugger miss breakpoints. Please pass -Xfrozen_modules=off
0.00s - to python to disable frozen modules.
0.00s - Note: Debugging will proceed. Set PYDEVD_DISABLE_FILE_VALIDATION=1 to disable this validation.
"""
"""How every log of a real session begins, on stderr."""


def main(folder: str, started_at: str, boot_seconds: str) -> None:
    workspace = Workspace(Path(folder))
    execution = Execution(workspace, float(started_at), float(boot_seconds))
    execution.log.write("stderr", DEBUGGER_WARNING)
    failed = False
    try:
        execution.run()
    except Exception:  # noqa: BLE001 whatever ends the notebook is the session's error, and belongs into its log
        failed = True
        execution.log.write("stderr", traceback.format_exc())
    execution.log.close()
    workspace.write_result(Result(failed, execution.cell_seconds, execution.stated_seconds, time.time()))


if __name__ == "__main__":
    main(*sys.argv[1:])
