"""The port Desk on PostgreSQL: the writer's thread, with reads and live rows in their place among the records."""

from __future__ import annotations

from bifrost.config import IbPortType, IbSettings
from bifrost.db.live_rows import Heartbeat, write_heartbeat
from bifrost.db.queries.status import settings
from bifrost.db.records import Retention
from bifrost.ib import AccountsReport

from bifrost_engine.domain.restore import Restored
from bifrost_engine.domain.words import Mode

from . import restore as restoring
from .live import write_accounts
from .store import Store


class PostgresDesk(Store):
    """See `bifrost_engine.app.service_ports.Desk`."""

    def beat(self, beat: Heartbeat) -> None:
        self.put_latest("daemon_heartbeat", lambda conn: write_heartbeat(conn, beat))

    async def restore(self, account: str, mode: Mode, symbol: str) -> Restored:
        return await self.call(lambda conn: restoring.restore(conn, account, mode, symbol))

    async def known_account(self) -> str:
        return await self.call(restoring.known_account)

    async def reserve_sequence(self) -> range:
        return await self.call(restoring.reserve_sequence)

    async def write_accounts(self, report: AccountsReport) -> None:
        await self.call(lambda conn: write_accounts(conn, report))

    async def ib_settings(self) -> IbSettings | None:
        """The address an operator saved, None until somebody did."""
        row = await self.call(settings)
        return IbSettings(row.ib_host, IbPortType(row.ib_port_type)) if row else None

    async def retention(self, history_days: int, decisions_days: int) -> int:
        """Remove history and decisions that are older; returns the number of rows."""
        return await self.call(Retention(history_days, decisions_days).run)
