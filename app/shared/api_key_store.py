"""The keys in Redis, for the commands that make and revoke them; the API keeps a copy (`app/api/keyring.py`)."""

from collections.abc import Mapping, Sequence
from typing import cast

from redis import Redis

from app.shared import keys
from app.shared.api_key import ApiKey, readable
from app.shared.errors import NotFound


class ApiKeyStore:
    """Raises redis' own errors."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def add(self, key: ApiKey) -> None:
        """Keeps a new key; every API process knows it within moments."""
        with self._redis.pipeline() as transaction:
            transaction.hset(keys.API_KEYS, key.id, key.to_json())
            transaction.publish(keys.CHANGED_KEYS, key.id)
            transaction.execute()

    def list(self) -> Sequence[ApiKey]:
        """Every key, expired ones too, the oldest first."""
        return sorted(readable(self._kept()), key=lambda key: key.created_at)

    def uses(self) -> Mapping[str, float]:
        """When each key that was ever used was used last, by its id; seconds since 1970, some minutes late."""
        used = cast("dict[str, str]", self._redis.hgetall(keys.API_KEYS_USED))
        return {key_id: float(moment) for key_id, moment in used.items()}

    def revoke(self, id_or_name: str) -> Sequence[ApiKey]:
        """Forgets the key with this id, else all keys of this name. Raises NotFound where there is none.

        What was submitted with them stays, and goes on.
        """
        kept = self._kept()
        known = list(readable(kept))
        gone = [key for key in known if key.id == id_or_name] or [key for key in known if key.name == id_or_name]
        # What this release cannot read can still be taken away.
        ids = [key.id for key in gone] or [key_id for key_id in kept if key_id == id_or_name]
        if not ids:
            raise NotFound(f"there is no key with the id or name '{id_or_name}'; `kavox keys list` shows all")
        with self._redis.pipeline() as transaction:
            transaction.hdel(keys.API_KEYS, *ids)
            transaction.hdel(keys.API_KEYS_USED, *ids)
            transaction.publish(keys.CHANGED_KEYS, ids[0])
            transaction.execute()
        return gone

    def _kept(self) -> dict[str, str]:
        return cast("dict[str, str]", self._redis.hgetall(keys.API_KEYS))
