"""Values that a process has read, kept for a few seconds."""

import os

from services.core.ttl_cache import ReadCache, invalidate_caches


def test_a_value_is_kept_for_its_time() -> None:
    now = [100.0]
    cache: ReadCache[str, int] = ReadCache(5, timer=lambda: now[0])
    cache.put("a", 1)
    now[0] += 4.9
    assert (cache.get("a"), cache.get("b")) == (1, None)
    now[0] += 0.1
    assert cache.get("a") is None


def test_without_seconds_nothing_is_kept() -> None:
    cache: ReadCache[str, int] = ReadCache(0, timer=lambda: 100.0)
    cache.put("a", 1)
    assert cache.get("a") is None


def test_nothing_is_kept_after_this_process_changed_settings() -> None:
    cache: ReadCache[str, int] = ReadCache(5)
    cache.put("a", 1)
    invalidate_caches()
    assert cache.get("a") is None


def test_a_forked_process_uses_nothing_that_was_read_before() -> None:
    cache: ReadCache[str, int] = ReadCache(60)
    cache.put("a", 1)
    child = os.fork()
    if not child:
        os._exit(0 if cache.get("a") is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.get("a") == 1
