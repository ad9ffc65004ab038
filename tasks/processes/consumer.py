"""The worker's consumer of messages, which survives what Redis answers and what it holds.

Celery ends the worker at every error that it does not take for a lost connection, for example when
Redis becomes a replica, or when another program has put something into a queue.
"""

import logging
from collections.abc import Callable
from typing import Any

from celery.exceptions import WorkerLostError
from celery.worker.consumer import Consumer
from celery.worker.loops import asynloop
from kombu.transport import redis as redis_transport
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# Errors of the connection. An OSError is one, too: kombu's own are built on it.
_BROKER_ERRORS = (RedisError, OSError)


def _run_event_loop(consumer: "ResilientConsumer", *args: Any) -> None:
    try:
        asynloop(consumer, *args)
    except (WorkerLostError, *_BROKER_ERRORS):
        raise
    except Exception as error:
        # Most likely kombu could not read a message, which is no longer in Redis then.
        logger.exception("the consumer connects again")
        raise ConnectionError(type(error).__name__) from error


class ResilientConsumer(Consumer):
    """Connects again after every error, and drops messages that cannot be read."""

    loop = staticmethod(_run_event_loop)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **options)

        def handle_or_drop(message: Any) -> None:
            try:
                handle(message)
            except _BROKER_ERRORS:
                raise
            except Exception:
                # Kept, it would come back after each new connection.
                logger.exception("a message that cannot be read is dropped")
                message.reject_log_error(logger, _BROKER_ERRORS)

        return handle_or_drop


class ResilientQoS(redis_transport.QoS):
    """Drops what is no message from those that were delivered and not acknowledged."""

    def restore_unacked(self, client: Any = None) -> None:
        """Celery closes a lost connection after kombu has let go of it: then Redis gives the
        messages back after the visibility timeout, and the sweep earlier."""
        if self.channel.connection.client is not None:
            super().restore_unacked(client=client)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client=client, leftmost=leftmost)
        except (ValueError, TypeError, LookupError):
            logger.exception("an unacknowledged message that cannot be read is dropped")
            self.reject(tag)


def install() -> None:
    """Let kombu restore messages with `ResilientQoS`."""
    redis_transport.Channel.QoS = ResilientQoS
