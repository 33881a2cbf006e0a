"""The places that execute notebooks, as the settings say."""

import os

from app.shared.errors import ConfigurationError
from app.shared.kaggle_credentials import KaggleCredentials, find_kaggle_credentials, unreadable_credentials
from app.shared.settings import Settings
from workers.kaggle import KaggleHost
from workers.kernel_metadata import load_kernel_metadata
from workers.local import LocalHost


def kaggle_host(settings: Settings) -> KaggleHost:
    """Kaggle or its stand-in, as the settings say. Raises ConfigurationError without credentials."""
    emulated = settings.kaggle_mode == "emulated"
    # The stand-in must never be shown credentials of a real account.
    stand_in = KaggleCredentials(username=settings.emulator_username, key=settings.emulator_key)
    credentials = stand_in if emulated else find_kaggle_credentials()
    if credentials is None and (hidden := unreadable_credentials()):
        raise ConfigurationError(
            f"{hidden} cannot be read: it must belong to the worker's user, whose id is {os.getuid()}"
        )
    if credentials is None:
        raise ConfigurationError(
            "no Kaggle credentials: put an API token (kaggle.com > Settings > API) into KAGGLE_API_TOKEN or "
            "~/.kaggle/access_token, or set KAVOX_KAGGLE_API_URL to an emulator"
        )
    return KaggleHost(
        name=settings.kaggle_host,
        credentials=credentials,
        owner=settings.kernel_id.partition("/")[0] if settings.kernel_id else None,
        metadata=load_kernel_metadata(settings.notebooks_dir),
        timeout_seconds=settings.push_timeout,
        url=settings.kaggle_api_url if emulated else None,
    )


def local_host(settings: Settings) -> LocalHost:
    """This machine. Raises ConfigurationError where its notebooks' inputs are named and not there."""
    inputs = settings.local_input_dir
    if inputs is not None and not inputs.is_dir():
        raise ConfigurationError(f"KAVOX_LOCAL_INPUT_DIR: there is no folder {inputs}")
    host = LocalHost(settings.data_dir / "local", inputs)
    if not settings.keep_kernels:
        # Left behind where Redis has lost the run that would have deleted them.
        host.clear(settings.result_ttl_hours * 3600)
    return host
