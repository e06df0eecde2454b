"""Accounts, positions, summaries, profit and loss."""

from __future__ import annotations

from bifrost_simulator.api import BrokerError
from bifrost_simulator.wire.accounts import account_value_values, portfolio_values, position_values
from bifrost_simulator.wire.handlers.base import Call, Handler
from bifrost_simulator.wire.times import clock_text

VALIDATION = 321


def _managed_accounts(call: Call) -> None:
    call.send("managedAccounts", accounts=",".join(call.world.accounts()))


def _account_updates(call: Call) -> None:
    subscriptions = call.session.subscriptions
    if not call.values["subscribe"]:
        subscriptions.account = None
        return
    account = call.values["account"] or call.world.accounts()[0]
    values = call.world.account_values(account)
    subscriptions.account = account
    for value in values:
        call.answer("updateAccountValue", account_value_values(value))
    for item in call.world.portfolio(account):
        call.answer("updatePortfolio", portfolio_values(item))
    call.send("updateAccountTime", time=clock_text(call.world.now()))
    call.send("accountDownloadEnd", account=account)


def _account_updates_multi(call: Call) -> None:
    account, model = call.values["account"], call.values["modelCode"]
    for name in _accounts(call, account):
        for value in call.world.account_values(name):
            call.answer("accountUpdateMulti", {"reqId": call.req_id, **account_value_values(value), "modelCode": model})
    call.send("accountUpdateMultiEnd", reqId=call.req_id)
    call.session.subscriptions.accounts_multi[call.req_id] = (account, model)


def _accounts(call: Call, account: str) -> tuple[str, ...]:
    known = call.world.accounts()
    if account and account not in known:
        raise BrokerError(VALIDATION, f"Error validating request.-'account' : Account {account} is not in this login")
    return (account,) if account else known


def _cancel_account_updates_multi(call: Call) -> None:
    call.session.subscriptions.accounts_multi.pop(call.req_id, None)


def _positions(call: Call) -> None:
    call.session.subscriptions.positions = True
    for position in call.world.positions():
        call.answer("position", position_values(position))
    call.send("positionEnd")


def _cancel_positions(call: Call) -> None:
    call.session.subscriptions.positions = False


def _positions_multi(call: Call) -> None:
    account, model = call.values["account"], call.values["modelCode"]
    for name in _accounts(call, account):
        for position in call.world.positions(name):
            call.answer("positionMulti", {"reqId": call.req_id, **position_values(position), "modelCode": model})
    call.send("positionMultiEnd", reqId=call.req_id)
    call.session.subscriptions.positions_multi[call.req_id] = (account, model)


def _cancel_positions_multi(call: Call) -> None:
    call.session.subscriptions.positions_multi.pop(call.req_id, None)


def _account_summary(call: Call) -> None:
    tags = tuple(tag.strip() for tag in call.values["tags"].split(",") if tag.strip())
    group = call.values["groupName"]
    values = call.world.account_summary(group, tags)
    for value in values:
        call.answer("accountSummary", {"reqId": call.req_id, **account_value_values(value)})
    call.send("accountSummaryEnd", reqId=call.req_id)
    accounts = frozenset(value.account for value in values)
    call.session.subscriptions.summaries[call.req_id] = (accounts, frozenset(value.tag for value in values))


def _cancel_account_summary(call: Call) -> None:
    call.session.subscriptions.summaries.pop(call.req_id, None)


def _pnl(call: Call) -> None:
    account = _one_account(call)
    call.session.subscriptions.pnl[call.req_id] = account
    call.roster.send_pnl(call.session, call.req_id)


def _cancel_pnl(call: Call) -> None:
    call.session.subscriptions.pnl.pop(call.req_id, None)
    call.session.subscriptions.pnl_sent.pop(call.req_id, None)


def _pnl_single(call: Call) -> None:
    account = _one_account(call)
    call.session.subscriptions.pnl_single[call.req_id] = (account, call.values["conId"])
    call.roster.send_pnl(call.session, call.req_id)


def _cancel_pnl_single(call: Call) -> None:
    call.session.subscriptions.pnl_single.pop(call.req_id, None)
    call.session.subscriptions.pnl_sent.pop(call.req_id, None)


def _one_account(call: Call) -> str:
    return _accounts(call, call.values["account"])[0]


ACCOUNT_HANDLERS: dict[str, Handler] = {
    "reqManagedAccts": _managed_accounts,
    "reqAccountUpdates": _account_updates,
    "reqAccountUpdatesMulti": _account_updates_multi,
    "cancelAccountUpdatesMulti": _cancel_account_updates_multi,
    "reqPositions": _positions,
    "cancelPositions": _cancel_positions,
    "reqPositionsMulti": _positions_multi,
    "cancelPositionsMulti": _cancel_positions_multi,
    "reqAccountSummary": _account_summary,
    "cancelAccountSummary": _cancel_account_summary,
    "reqPnL": _pnl,
    "cancelPnL": _cancel_pnl,
    "reqPnLSingle": _pnl_single,
    "cancelPnLSingle": _cancel_pnl_single,
}
