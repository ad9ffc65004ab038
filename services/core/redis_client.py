"""Redis for what can do without it: lazy, and quick to give up."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# To connect, and again for an answer.
TIMEOUT_SECONDS = 0.5


def connect_redis(redis_url: str) -> redis.Redis:
    """Nothing kept there is worth a wait."""
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
