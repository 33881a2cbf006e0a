"""`kavox doctor --live`: one kernel without GPU, as a run of one short text would push it, followed to its end.

It costs no GPU quota, and is deleted whatever becomes of it. Its name is that of a run, so that the janitor of any
worker deletes one whose doctor was killed.
"""

import hashlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from app.shared.errors import KavoxError
from app.shared.finding import Finding
from app.shared.identifiers import new_id
from app.shared.provider import Provider, load_providers
from app.shared.settings import Settings
from workers.diagnosis import diagnose
from workers.hosts import kaggle_host
from workers.kaggle import KaggleHost
from workers.kernel import Kernel, KernelState, Push
from workers.lone_kernel import ended, result
from workers.notebook import inject
from workers.notebook_checks import sample_run

_SESSION_SECONDS = 900
_CHECK = "live kernel"


def canary(settings: Settings, *, reachable: bool) -> Iterator[Finding]:
    """Whether a text comes back as speech; what else it shows of the account. Waits for as long as the settings say."""
    provider = _provider(settings)
    if not reachable or provider is None:
        yield _unsent(settings, reachable=reachable)
        return
    began, slug = time.monotonic(), f"{settings.kernel_prefix}-{new_id()}"
    real = settings.kaggle_mode == "real"
    host = kaggle_host(settings)
    try:
        run = sample_run(provider, run_id=slug.rpartition("-")[2], install=real)
        source = inject(settings.notebooks_dir / f"{provider.name}.ipynb", run)
        try:
            kernel = host.push(Push(slug, source, gpu=False, machine_shape=None, timeout_seconds=_SESSION_SECONDS))
            state = ended(host, kernel, settings, _SESSION_SECONDS)
            problem = _problem(host, kernel, state)
        finally:
            host.delete(slug)
    except KavoxError as error:
        yield Finding.failed(_CHECK, error.advice, f"if a kernel {slug} is on Kaggle, delete it")
        return
    if problem is not None:
        yield Finding.failed(_CHECK, *problem)
        return
    seconds = time.monotonic() - began
    yield Finding.ok(_CHECK, f"{kernel.ref} spoke with {provider.name} after {seconds:.0f} s, and is deleted")
    if real:
        yield Finding.ok(
            "internet", "the kernel installed its packages, for which Kaggle wants a verified phone number"
        )


def _unsent(settings: Settings, *, reachable: bool) -> Finding:
    if settings.kaggle_mode is None:
        remedy = (
            "give credentials, or name an emulator by KAVOX_KAGGLE_API_URL: /readyz of a running service has its own"
        )
        return Finding.failed(_CHECK, "none was sent: there is no Kaggle to send it to", remedy)
    detail = "no provider runs on Kaggle without GPU" if reachable else "see above"
    return Finding.failed(_CHECK, f"none was sent: {detail}", "mend that first")


def _provider(settings: Settings) -> Provider | None:
    """The one that costs nothing."""
    try:
        providers = load_providers(settings.notebooks_dir)
    except KavoxError:
        return None
    free = [one for one in providers.values() if not one.gpu and "kaggle" in one.hosts]
    return min(free, key=lambda one: one.name != "hibari", default=None)


def _problem(host: KaggleHost, kernel: Kernel, state: KernelState | None) -> tuple[str, str] | None:
    """What is wrong with what came of it, and what to do; None when it has spoken."""
    if state is None:
        return "it has not ended in time, and was deleted", "try again later, or raise KAVOX_DEPLOYMENT_TIMEOUT_MINUTES"
    with tempfile.TemporaryDirectory(prefix="kavox-doctor-") as folder:
        if _has_spoken(host, kernel, Path(folder)):
            return None
    found = diagnose(host.log(kernel))
    return (
        f"its session ended ({state.value}) without speech: {found.cause or 'its log says nothing'}",
        found.remedy or "read the notebook's log: a kernel of the same notebook, made by hand, shows it",
    )


def _has_spoken(host: KaggleHost, kernel: Kernel, folder: Path) -> bool:
    """Whether result.json names a file, and that file is there."""
    found = result(host, kernel, folder)
    items = found.items if found else []
    name = items[0].file if len(items) == 1 else None
    if not name or not host.download(kernel, {name}, folder):
        return False
    return hashlib.sha256((folder / name).read_bytes()).hexdigest() == items[0].sha256
