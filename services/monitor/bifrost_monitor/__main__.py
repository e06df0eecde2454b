"""``python -m bifrost_monitor run --config config/config.yaml``."""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from bifrost import log as logs
from bifrost.config.errors import ConfigError
from bifrost.config.load import LoadedConfig, load_config
from bifrost.db import connect, warn_if_privileged
from psycopg2.extensions import connection as Connection

from .app import create_app
from .settings import MonitorSettings, StartError, monitor_settings

log = logging.getLogger("bifrost_monitor")

STATEMENT_TIMEOUT_S = 5.0
GRACE_S = 2
"""How long answers under way may take when the monitor stops; pages that only keep a connection open get none."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; 0 after a signal, 1 when it cannot start, 2 for a wrong configuration."""
    parser = argparse.ArgumentParser(prog="bifrost_monitor", description="HTTP API and control page of the desk.")
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="serve until a signal comes")
    run_parser.add_argument("--config", type=Path, help="configuration file (default: config/config.yaml)")
    options = parser.parse_args(argv)
    logs.setup_logging("monitor")
    # Its start and stop lines say what ours say.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        loaded = load_config(options.config)
        settings = monitor_settings(loaded)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except StartError as error:
        print(f"monitor: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return serve(loaded, settings)


def serve(loaded: LoadedConfig, settings: MonitorSettings) -> int:
    """Serve until SIGTERM or SIGINT."""
    if settings.token:
        logs.hide(settings.token)
    try:
        listener = bind(settings.host, settings.port)
    except StartError as error:
        log.error("%s", error)
        print(f"monitor: {error}", file=sys.stderr)  # noqa: T201
        return 1
    told: list[bool] = []

    def open_connection() -> Connection:
        conn = connect(loaded.config, service="monitor", statement_timeout_s=STATEMENT_TIMEOUT_S)
        if not told:
            told.append(warn_if_privileged(conn))
        return conn

    app = create_app(settings, open_connection)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        lifespan="on",
    )
    server = Server(config, app.state.services.streams.close_soon)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn raises the signal again after its own shutdown; with a handler of ours the exit code stays 0.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("serving on http://%s:%d", settings.host, settings.port, extra={"read_only": settings.read_only})
    server.run(sockets=[listener])
    log.info("stopped")
    return 0


class Server(uvicorn.Server):
    """uvicorn's, which ends what has no end of its own when a signal comes: a stream would use up the whole grace."""

    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_exit()
        super().handle_exit(sig, frame)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises `StartError` that names the port and the variable that changes it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"port {port} on {host} is in use; stop what holds it or set MONITOR_PORT to another one"
        elif error.errno == errno.EACCES:
            reason = f"port {port} on {host} needs privileges; set MONITOR_PORT to one above 1023"
        else:
            reason = f"cannot listen on {host} port {port}: {error}; see MONITOR_HOST and MONITOR_PORT"
        raise StartError(reason) from None
    return listener


if __name__ == "__main__":
    sys.exit(main())
