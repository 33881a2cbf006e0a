"""KaggleHost as the worker makes it, pointed at an emulator, and pushes for it."""

from app.shared.identifiers import new_id
from app.shared.kaggle_credentials import KaggleCredentials
from tests.workers.emulator.driver import KEY, OWNER, notebook, wait_for
from workers.kaggle import KaggleHost
from workers.kernel import Kernel, KernelState, Push
from workers.kernel_metadata import KernelMetadata

METADATA = KernelMetadata(language="python", kernel_type="notebook", is_private=True, enable_internet=True)
CREDENTIALS = KaggleCredentials(username=OWNER, key=KEY)


def host_at(url: str, credentials: KaggleCredentials = CREDENTIALS, timeout_seconds: float = 10) -> KaggleHost:
    return KaggleHost(
        name="emulator",
        credentials=credentials,
        owner=None,
        metadata=METADATA,
        timeout_seconds=timeout_seconds,
        url=url,
    )


def make_push(
    *cells: str, slug: str = "", gpu: bool = False, datasets: tuple[str, ...] = (), timeout_seconds: int = 600
) -> Push:
    """A push of these cells under a slug of its own."""
    return Push(
        slug=slug or f"kavox-{new_id()}",
        notebook=notebook(*(cells or ("pass",))),
        gpu=gpu,
        machine_shape="NvidiaTeslaT4" if gpu else None,
        timeout_seconds=timeout_seconds,
        datasets=datasets,
    )


def ended(host: KaggleHost, kernel: Kernel) -> KernelState:
    """The state of the kernel's session once it has ended."""

    def state() -> KernelState | None:
        found = host.status(kernel).state
        return found if found.ended else None

    return wait_for(state)
