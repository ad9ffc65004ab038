"""Redis client for uses that can do without Redis: lazy, with short timeouts."""

import redis
from redis import DriverInfo
from redis.backoff import NoBackoff
from redis.retry import Retry

# Once for the connection, once for the answer.
TIMEOUT_SECONDS = 0.5
# Without it, each new connection reads the version from the library's metadata: 5 ms of CPU time.
_DRIVER = DriverInfo()


def connect_redis(redis_url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> redis.Redis:
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        driver_info=_DRIVER,
    )
