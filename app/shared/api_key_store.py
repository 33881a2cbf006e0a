"""The keys in Redis, for the commands that make and revoke them; the API keeps a copy (`app/api/keyring.py`)."""

from collections.abc import Mapping, Sequence
from typing import cast

from redis import Redis

from app.shared import keys
from app.shared.api_key import ApiKey
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
        kept = cast("dict[str, str]", self._redis.hgetall(keys.API_KEYS))
        return sorted(map(ApiKey.from_json, kept.values()), key=lambda key: key.created_at)

    def uses(self) -> Mapping[str, float]:
        """When each key that was ever used was used last, by its id; seconds since 1970, some minutes late."""
        used = cast("dict[str, str]", self._redis.hgetall(keys.API_KEYS_USED))
        return {key_id: float(moment) for key_id, moment in used.items()}

    def revoke(self, id_or_name: str) -> Sequence[ApiKey]:
        """Forgets the key with this id, else all keys of this name. Raises NotFound where there is none.

        What was submitted with them stays, and goes on.
        """
        known = self.list()
        gone = [key for key in known if key.id == id_or_name] or [key for key in known if key.name == id_or_name]
        if not gone:
            raise NotFound(f"there is no key with the id or name '{id_or_name}'; `kavox keys list` shows all")
        ids = [key.id for key in gone]
        with self._redis.pipeline() as transaction:
            transaction.hdel(keys.API_KEYS, *ids)
            transaction.hdel(keys.API_KEYS_USED, *ids)
            transaction.publish(keys.CHANGED_KEYS, gone[0].id)
            transaction.execute()
        return gone
