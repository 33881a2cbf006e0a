"""What `kavox doctor` looks at without any network: the packages of a worker, and the notebooks."""

import importlib.util
from collections.abc import Iterator
from importlib.metadata import version

from app.shared.errors import KavoxError
from app.shared.finding import Finding
from app.shared.identifiers import new_id
from app.shared.provider import Provider, load_providers
from app.shared.settings import Settings
from workers.kernel_metadata import load_kernel_metadata
from workers.notebook import KAGGLE_SOURCE_LIMIT_BYTES, inject

# What runs notebooks on this machine: for the local host and for the emulator.
_RUNTIME = ("papermill", "ipykernel")


def packages() -> Iterator[Finding]:
    """Whether a worker can run here: Kaggle's client is imported by this very process, so it is there."""
    missing = [name for name in _RUNTIME if importlib.util.find_spec(name) is None]
    if missing:
        remedy = "pip install 'kavox[notebooks]'"
        detail = f"{', '.join(missing)} is not installed: no notebook runs on this machine, and no emulator"
        yield Finding.unknown("packages", detail, remedy)
    else:
        yield Finding.ok("packages", f"Kaggle's client {version('kaggle')}, papermill {version('papermill')}")


def notebooks(settings: Settings) -> Iterator[Finding]:
    """Each provider's manifest and notebook, and what all pushes have in common."""
    mend = "mend it as docs/adding-a-provider.md says, or put Kavox's own back"
    try:
        load_kernel_metadata(settings.notebooks_dir)
        providers = load_providers(settings.notebooks_dir)
    except KavoxError as error:
        yield Finding.failed("notebooks", error.detail, mend)
        return
    for provider in providers.values():
        check = f"notebook {provider.name}"
        try:
            size = len(inject(settings.notebooks_dir / f"{provider.name}.ipynb", sample_run(provider)).encode())
        except KavoxError as error:
            yield Finding.failed(check, error.detail, mend)
            continue
        share = size / KAGGLE_SOURCE_LIMIT_BYTES
        yield Finding.ok(check, f"valid, takes jobs, {size / 1000:.0f} kB with one ({share:.0%} of what Kaggle takes)")


def sample_run(provider: Provider, *, run_id: str = "", install: bool = False) -> dict[str, object]:
    """The parameters of a run with one short text in the provider's default voice (DESIGN §7)."""
    model = provider.model(None)
    voice = provider.voice(None, model)
    item: dict[str, object] = {
        "id": "canary",
        "chunks": ["This is a test."],
        "pauses": [],
        "voice": voice.id,
        "language": provider.language(None, voice.languages, voice.id).engine_name,
        "seed": 1 if provider.seed else None,
        "options": {},
        "reference": None,
    }
    run = {"run_id": run_id or new_id(), "provider": provider.name, "model": model.id, "device": "cpu"}
    return {**run, "install": install, "items": [item]}
