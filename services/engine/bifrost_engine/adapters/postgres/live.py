"""Accounts and heartbeats on their way into rows that say how things are now."""

from __future__ import annotations

from bifrost.db import Connection
from bifrost.db.live_rows import AccountSummary, PositionRow, mark_unreported, write_account
from bifrost.ib import AccountReport, AccountsReport
from bifrost.ib import BrokerPosition as ReportedPosition

_OWN_COLUMNS = frozenset({"NetLiquidation", "TotalCashValue", "BuyingPower"})


def write_accounts(conn: Connection, report: AccountsReport) -> None:
    """One fetch: every account's summary and positions; accounts the broker no longer names are marked."""
    for account in report.accounts:
        summary = AccountSummary(
            account_id=account.account,
            fetched_at=report.fetched_at,
            net_liquidation=account.net_liquidation,
            total_cash=account.total_cash,
            buying_power=account.buying_power,
            extra=_extra(account),
        )
        write_account(conn, summary, [_row(position) for position in account.positions])
    mark_unreported(conn, [account.account for account in report.accounts])


def _extra(account: AccountReport) -> dict[str, object]:
    return {
        tag: value.number if value.number is not None else value.text
        for tag, value in account.summary.items()
        if tag not in _OWN_COLUMNS
    }


def _row(position: ReportedPosition) -> PositionRow:
    key = position.contract_key
    return PositionRow(
        contract_key=str(key),
        symbol=key.symbol,
        sec_type=key.sec_type,
        position=position.quantity,
        avg_cost=position.avg_cost,
        exchange=position.exchange or None,
        currency=position.currency or None,
        expiry=key.expiry or None,
        strike=key.strike or None,
        option_right=key.right or None,
        con_id=position.con_id or None,
        multiplier=position.multiplier,
        trading_class=position.trading_class or None,
    )
