"""What `kavox doctor` asks Kaggle, or its stand-in: whose credentials these are, and what may be done with them.

Nothing is left behind there. Whether kernels may be pushed is not to be had without pushing one: that is `canary.py`.
"""

import stat
from collections.abc import Generator, Iterator
from datetime import UTC, datetime

from app.shared.addresses import without_secrets
from app.shared.errors import CredentialsRejected, KavoxError
from app.shared.finding import Finding
from app.shared.identifiers import new_id
from app.shared.kaggle_credentials import find_kaggle_credentials
from app.shared.settings import REAL_KAGGLE, Settings
from app.shared.voice import PREFIX as VOICE_PREFIX
from workers.hosts import kaggle_host
from workers.kaggle import KaggleHost
from workers.kaggle_datasets import KaggleDatasets
from workers.kaggle_quota import GpuQuota, read_gpu_quota

NEW_TOKEN = (
    "make a new API token (kaggle.com > Settings > API) and put it into KAGGLE_API_TOKEN or ~/.kaggle/access_token"  # noqa: S105  # no token
)
_NONE = "none are found: `kavox serve` runs notebooks on its emulator, on this machine"
_OTHERS_MAY_READ = stat.S_IRWXG | stat.S_IRWXO


def credentials_file() -> Iterator[Finding]:
    """Whether only its owner can read the file that the credentials are in."""
    found = find_kaggle_credentials()
    if found is None or found.file is None:
        return
    if found.file.stat().st_mode & _OTHERS_MAY_READ:
        detail = f"others on this machine may read {found.file}"
        yield Finding.failed("credentials file", detail, f"chmod 600 {found.file}")
    else:
        yield Finding.ok("credentials file", f"only its owner may read {found.file}")


def credentials_at_hand(settings: Settings) -> Finding:
    """Whether there are any, without asking whether Kaggle accepts them."""
    found = find_kaggle_credentials()
    if settings.kaggle_mode == "emulated":
        return Finding.ok("credentials", f"those of the emulator at {_place(settings)}, which was not asked")
    if found is None:
        return Finding.unknown("credentials", _NONE, f"to use Kaggle, {NEW_TOKEN}")
    whose = f" of {found.username}" if found.username else ""
    return Finding.ok("credentials", f"found in {found.source}{whose}; Kaggle was not asked about them")


def account(settings: Settings) -> Generator[Finding, None, bool]:
    """All that can be asked; returns whether Kaggle answers and takes the credentials."""
    if settings.kaggle_mode is None:
        yield Finding.unknown("credentials", _NONE, f"to use Kaggle, {NEW_TOKEN}")
        return False
    if settings.kaggle_mode == "real" and find_kaggle_credentials() is None:
        # Only an API process can do without.
        yield Finding.failed("credentials", "KAVOX_KAGGLE_API_URL names Kaggle, and none are found", NEW_TOKEN)
        return False
    # Asked whose account it is, not told by KAVOX_KERNEL_ID.
    host = kaggle_host(settings.model_copy(update={"kernel_id": None}))
    try:
        owner = host.account()
        kernels = host.slugs(f"{settings.kernel_prefix}-")
    except CredentialsRejected as error:
        yield Finding.failed("credentials", error.detail, _other_credentials(settings))
        return False
    except KavoxError as error:
        yield Finding.failed("kaggle", error.detail, "look after the network, a proxy, and KAVOX_KAGGLE_API_URL")
        return False
    yield _whose(settings, owner)
    yield _kernels(settings, host, kernels)
    yield _datasets(settings, host)
    yield _quota(settings, host)
    yield _phone(settings)
    return True


def _other_credentials(settings: Settings) -> str:
    if settings.kaggle_mode == "emulated":
        return "set KAVOX_EMULATOR_USERNAME and KAVOX_EMULATOR_KEY to what the emulator was started with"
    found = find_kaggle_credentials()
    return f"{NEW_TOKEN}; now it is found in {found.source if found else 'nothing'}"


def _whose(settings: Settings, owner: str) -> Finding:
    wanted = (settings.kernel_id or owner).partition("/")[0]
    if wanted != owner:
        detail = f"they are {owner}'s, and KAVOX_KERNEL_ID names {wanted}"
        return Finding.failed("credentials", detail, f"set KAVOX_KERNEL_ID={owner}/{settings.kernel_prefix}")
    if settings.kaggle_mode == "emulated":
        return Finding.ok("credentials", f"account {owner} of the emulator at {_place(settings)}")
    found = find_kaggle_credentials()
    return Finding.ok("credentials", f"account {owner}, from {found.source if found else 'nowhere'}")


def _place(settings: Settings) -> str:
    return without_secrets(settings.kaggle_api_url or REAL_KAGGLE)


def _kernels(settings: Settings, host: KaggleHost, kernels: set[str]) -> Finding:
    try:
        # Nobody has it; Kaggle answers that it is denied or not there, and nothing else.
        host.find(f"{settings.kernel_prefix}-{new_id()}")
    except KavoxError as error:
        return Finding.failed("kernels", f"they cannot be read: {error.detail}", NEW_TOKEN)
    mine = f"{len(kernels)} named {settings.kernel_prefix}-… are there now"
    return Finding.ok("kernels", f"may be listed and read, {mine}; --live tries whether one may be pushed")


def _datasets(settings: Settings, host: KaggleHost) -> Finding:
    datasets = KaggleDatasets(host.client, settings.kernel_prefix)
    try:
        found = datasets.slugs()
        datasets.state(datasets.slug(VOICE_PREFIX + new_id()))
        datasets.check_uploads()
    except KavoxError as error:
        remedy = f"cloned voices need them; {NEW_TOKEN}"
        return Finding.failed("datasets", f"they cannot be used: {error.detail}", remedy)
    mine = f"{len(found)} named {settings.kernel_prefix}-… are there now"
    return Finding.ok("datasets", f"may be listed, read and uploaded to, {mine}")


def _quota(settings: Settings, host: KaggleHost) -> Finding:
    try:
        quota = read_gpu_quota(host.client)
    except KavoxError as error:
        return Finding.failed("quota", error.detail, "jobs run without it; ask again later")
    left = quota.remaining_seconds - settings.quota_reserve_hours * 3600
    said = _quota_in_words(quota)
    if left > 0:
        return Finding.ok("quota", said)
    wait = "GPU jobs wait until then; hibari needs no GPU, and local providers need no Kaggle"
    reserve = f", of which {settings.quota_reserve_hours:g} h are kept for you" if settings.quota_reserve_hours else ""
    return Finding.failed("quota", f"{said}{reserve}: nothing is left for Kavox", wait)


def _quota_in_words(quota: GpuQuota) -> str:
    hours, allowed = quota.remaining_seconds / 3600, quota.allowed_seconds / 3600
    refresh = quota.refreshes_at.astimezone(UTC)
    days = max(0.0, (refresh - datetime.now(UTC)).total_seconds() / 86400)
    return f"{hours:.1f} of {allowed:.1f} GPU hours left, new ones {refresh:%a %d %b %H:%M} UTC, in {days:.1f} days"


def _phone(settings: Settings) -> Finding:
    if settings.kaggle_mode == "emulated":
        return Finding.ok("phone", "the emulator wants none verified")
    detail = "Kaggle does not tell whether the account's number is verified; without, kernels get no internet, no GPU"
    return Finding.unknown("phone", detail, "see kaggle.com > Settings > Phone verification; --live tries the internet")
