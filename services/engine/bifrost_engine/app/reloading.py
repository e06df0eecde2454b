"""Hot reload: the whole validated configuration is replaced, or the old one stays and the reason is said."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from bifrost.config import ConfigError, LoadedConfig, RestartRequired, diff, reload

log = logging.getLogger(__name__)


class Reloader:
    """Loads again when the file has changed, or when asked (SIGHUP).

    Parameters
    ----------
    on_change : callable
        Takes the new configuration; never called with one that needs a restart.
    on_refused : callable
        Takes the reason why the old one stays.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        *,
        on_change: Callable[[LoadedConfig], None],
        on_refused: Callable[[str], None],
    ) -> None:
        self.loaded = loaded
        self._on_change = on_change
        self._on_refused = on_refused
        self._seen: tuple[int, int] | None = None
        self._seen = self._stamp()

    def look(self) -> None:
        """Reload when the file is another than last time."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self.reload()

    def reload(self) -> None:
        """Load now; one with mistakes, or one that needs a restart, changes nothing."""
        try:
            loaded = reload(self.loaded)
        except (RestartRequired, ConfigError) as error:
            log.error("configuration not taken: %s", error)
            self._on_refused(str(error))
            return
        changes = diff(self.loaded.config, loaded.config)
        self.loaded = loaded
        if changes:
            log.info("configuration %s in force: %s", loaded.hash, "; ".join(map(str, changes)))
            self._on_change(loaded)

    def _stamp(self) -> tuple[int, int] | None:
        file: Path | None = self.loaded.file
        try:
            found = file.stat() if file is not None else None
        except OSError:
            # An editor replaces the file by renaming: for a moment there is none.
            return self._seen
        return (found.st_mtime_ns, found.st_size) if found is not None else None
