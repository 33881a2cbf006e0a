"""`python -m workers.emulator`: starts the emulator and prints one line with its address when it is ready."""

import fcntl
import importlib.util
import os
import socket
import sys
from contextlib import suppress

from workers.emulator.application import Application
from workers.emulator.blobs import Blobs
from workers.emulator.control import Control
from workers.emulator.dataset_store import DatasetStore
from workers.emulator.datasets import DatasetsService
from workers.emulator.elsewhere import AccountState, Elsewhere
from workers.emulator.kernels import KernelsService
from workers.emulator.launcher import Launcher
from workers.emulator.lines import set_up_lines
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
    try:
        options.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"The emulator cannot write to {options.data_dir}: {error.strerror}.")
    set_up_lines()
    # Held for as long as the process lives: two emulators on one directory would run every notebook twice.
    with (options.data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"Another emulator uses {options.data_dir}.")
        with suppress(KeyboardInterrupt):
            serve(options, listen(options))


def listen(options: Options) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except (OSError, OverflowError) as error:
        sys.exit(f"The emulator cannot listen on {options.host}:{options.port}: {error}.")
    return listener


def serve(options: Options, listener: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT; notebooks under way go on."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"http://{host}:{listener.getsockname()[1]}"
    store = Store(options.data_dir / "emulator.sqlite3")
    signer = Signer(store.signing_key(), address)
    launcher = Launcher(options.data_dir / "jupyter", options.python)
    sessions = Sessions(store, options.data_dir / "sessions", launcher, options.input_dir)
    usual = Elsewhere(visibility_lag_seconds=options.visibility_lag_seconds, dataset_seconds=options.dataset_seconds)
    account_state = AccountState(store, usual)
    dataset_store = DatasetStore(options.data_dir / "emulator.sqlite3")
    blobs = Blobs(dataset_store, options.data_dir / "blobs", address)
    datasets = DatasetsService(dataset_store, blobs, options.data_dir / "datasets", options.account, account_state)
    service = KernelsService(
        store=store,
        sessions=sessions,
        datasets=datasets,
        account=options.account,
        clock=options.clock,
        signer=signer,
        account_state=account_state,
    )
    application = Application(
        store=store,
        sessions=sessions,
        service=service,
        blobs=blobs,
        datasets=datasets,
        account=options.account,
        signer=signer,
        control=Control(store, sessions, account_state),
    )
    ready = f"Kaggle emulator ready at {address} (account {options.account.username}, data in {options.data_dir})"
    EmulatorServer(application.asgi(), ready).run(sockets=[listener])


if __name__ == "__main__":
    main()
