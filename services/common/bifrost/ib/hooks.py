"""Lists of callbacks: one listener's failure never keeps the others from hearing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec

_log = logging.getLogger(__name__)
P = ParamSpec("P")


class Hook(Generic[P]):
    """Callbacks with the signature ``P -> None``, called in the order in which they were added."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._callbacks: tuple[Callable[P, None], ...] = ()

    def add(self, callback: Callable[P, None]) -> Callable[P, None]:
        """Register ``callback`` (also usable as a decorator)."""
        self._callbacks = (*self._callbacks, callback)
        return callback

    def remove(self, callback: Callable[P, None]) -> None:
        """Forget ``callback``; unknown ones are ignored."""
        self._callbacks = tuple(known for known in self._callbacks if known != callback)

    def emit(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call every callback; an exception is logged and the next one is called."""
        for callback in self._callbacks:
            try:
                callback(*args, **kwargs)
            except Exception:
                _log.exception("a listener of %s failed", self.name)
