"""The account's weekly GPU quota, as Kaggle states it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from kagglesdk.kernels.services.kernels_api_service import KernelsApiClient
from kagglesdk.kernels.types.kernels_api_service import ApiGetAcceleratorQuotaStatisticsRequest

from app.shared.errors import HostUnreachable
from workers.kaggle_client import KaggleClient
from workers.kaggle_errors import UNREADABLE, read_error


@dataclass(frozen=True)
class GpuQuota:
    """Seconds of GPU time in this week; `reserved_seconds` are held by sessions under way."""

    used_seconds: float
    reserved_seconds: float
    allowed_seconds: float
    refreshes_at: datetime

    @property
    def remaining_seconds(self) -> float:
        """What a new session may use. Sessions that straddle the limit go on, so more than all can be used."""
        return max(0.0, self.allowed_seconds - self.used_seconds - self.reserved_seconds)


def read_gpu_quota(client: KaggleClient) -> GpuQuota:
    """Raises HostUnreachable and CredentialsRejected."""
    request = ApiGetAcceleratorQuotaStatisticsRequest()
    try:
        answer = KernelsApiClient(client.http).get_accelerator_quota_statistics(request)
        quota, refresh = answer.gpu_quota, answer.quota_refresh_time
        if quota is None or quota.total_time_allowed is None or refresh is None:
            raise HostUnreachable("Kaggle does not say what is left of the GPU quota")
        # The client's own dictionaries drop whole days from such a time, and its moments have lost their time zone.
        durations = (quota.time_used, quota.time_reserved, quota.total_time_allowed)
        used, reserved, allowed = (time.total_seconds() if time is not None else 0.0 for time in durations)
        return GpuQuota(used, reserved, allowed, refresh.replace(tzinfo=UTC))
    except UNREADABLE as error:
        raise read_error(error) from None
