"""The garbage collector of a process that serves requests or tasks."""

import gc

# New containers until the collector looks for cycles among them. A request makes some thousand that
# end with it; with Python's default of 700, looking takes a tenth of its processor time.
YOUNG_CONTAINERS = 20_000
_COLLECTIONS = 20  # of younger ones until the older are looked at, too


def settle() -> None:
    """Call this when all is loaded, and before a process forks: what lives now is no longer looked
    at, nor copied by the children because of that, and the collector runs less often."""
    gc.freeze()
    gc.set_threshold(YOUNG_CONTAINERS, _COLLECTIONS, _COLLECTIONS)
