"""Keys for the tests' callers, made the way `kavox keys create` makes them."""

from app.shared.api_key import NO_LIMITS, Limits, Scope, new_key
from app.shared.api_key_store import ApiKeyStore
from app.shared.redis_client import connect_for_command


def make_key(redis_url: str, name: str, *scopes: Scope, limits: Limits = NO_LIMITS) -> str:
    """A key of that name, which may submit unless other scopes are named."""
    token, key = new_key(name, scopes or (Scope.SUBMIT,), limits=limits)
    with connect_for_command(redis_url) as redis:
        ApiKeyStore(redis).add(key)
    return token
