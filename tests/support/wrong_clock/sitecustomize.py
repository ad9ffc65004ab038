"""Sets a Python process's clock wrong by CLOCK_ERROR_SECONDS, if this directory is in PYTHONPATH.

Python imports it before anything else. The monotonic clock stays right.
"""

import datetime
import os
import time
from datetime import datetime as _datetime
from typing import Any

_SECONDS = float(os.environ["CLOCK_ERROR_SECONDS"])
_ERROR = datetime.timedelta(seconds=_SECONDS)
_time, _time_ns = time.time, time.time_ns


class _AnyDatetime(type):
    """Calculations return the original class."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _datetime)


class _WrongDatetime(_datetime, metaclass=_AnyDatetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _datetime.now(tz) + _ERROR

    @classmethod
    def utcnow(cls) -> Any:
        return _datetime.now(datetime.UTC).replace(tzinfo=None) + _ERROR


time.time = lambda: _time() + _SECONDS
time.time_ns = lambda: _time_ns() + int(_SECONDS * 1e9)
datetime.datetime = _WrongDatetime  # type: ignore[misc]
