"""GET /cache: what speech is kept to answer a caller's requests again, and what that has saved."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.dependencies import Caller, Config, Connection
from app.api.problems import responses
from app.shared.result_cache import savings_of

router = APIRouter(tags=["operations"])


class CacheView(BaseModel):
    """Your kept speech; sizes in bytes of wav."""

    enabled: bool
    entries: int
    bytes: int
    limit_bytes: int = Field(description="KAVOX_CACHE_MAX_MEGABYTES, of all callers together.")
    hits: int = Field(description="Jobs that were answered at once.")
    shared: int = Field(description="Jobs that shared the synthesis of one under way.")
    misses: int = Field(description="Jobs that might have been answered so and had to be spoken.")
    gpu_seconds_saved: float


@router.get("/cache", responses=responses(401, 422, 503))
async def read_cache(redis: Connection, settings: Config, caller: Caller) -> CacheView:
    """Hits and misses of the result cache, and the GPU seconds that it has saved."""
    limit = round(settings.cache_max_megabytes * 1_000_000)
    return CacheView(enabled=limit > 0, limit_bytes=limit, **await savings_of(redis, caller))
