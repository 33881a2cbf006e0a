"""`python -m workers.emulator`: starts the emulator and prints one line with its address when it is ready."""

import fcntl
import importlib.util
import os
import socket
import sys

from workers.emulator.application import Application
from workers.emulator.kernels import KernelsService
from workers.emulator.launcher import Launcher
from workers.emulator.options import Options, read_options
from workers.emulator.outputs import Signer
from workers.emulator.server import EmulatorServer
from workers.emulator.sessions import Sessions
from workers.emulator.store import Store


def main() -> None:
    options = read_options(sys.argv[1:], os.environ)
    missing = [name for name in ("papermill", "ipykernel") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"The emulator runs notebooks and needs {' and '.join(missing)}: pip install 'kavox[notebooks]'.")
    options.data_dir.mkdir(parents=True, exist_ok=True)
    # Held for as long as the process lives: two emulators on one directory would run every notebook twice.
    with (options.data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"Another emulator uses {options.data_dir}.")
        serve(options, listen(options))


def listen(options: Options) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except OSError as error:
        sys.exit(f"The emulator cannot listen on {options.host}:{options.port}: {error.strerror}.")
    return listener


def serve(options: Options, listener: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT; notebooks under way go on."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"http://{host}:{listener.getsockname()[1]}"
    store = Store(options.data_dir / "emulator.sqlite3")
    signer = Signer(store.signing_key(), address)
    launcher = Launcher(options.data_dir / "jupyter", options.python)
    sessions = Sessions(store, options.data_dir / "sessions", launcher, options.input_dir)
    service = KernelsService(store, sessions, options.account, options.clock, signer, options.visibility_lag_seconds)
    application = Application(store, sessions, service, options.account, signer)
    ready = f"Kaggle emulator ready at {address} (account {options.account.username}, data in {options.data_dir})"
    EmulatorServer(application.asgi(), ready).run(sockets=[listener])


if __name__ == "__main__":
    main()
