"""Whatever three clients and the human at TWS do: the money adds up and everybody sees the same truth."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from bifrost_simulator.api import BrokerError, ComboLeg, ContractQuery, ExecutionFilter, OrderRequest, OrderStatus
from bifrost_simulator.broker.book import BookOrder
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.simulator.world_ledger import ClientLedger
from tests.simulator.world_support import Stage, request, scenario_file

CLIENTS = (1, 2, 3)
ACCOUNTS = ("DU0000001", "DU0000002")
START_CASH = {"DU0000001": 2_000_000.0, "DU0000002": 500_000.0}
CALL = "NVDA|OPT|+28d|atm|C"
CENT = 0.005

clients = st.sampled_from(CLIENTS)
accounts = st.sampled_from(ACCOUNTS)
sides = st.sampled_from(("BUY", "SELL"))
KINDS = ("MKT", "LMT", "FAR", "STP", "IOC", "TRAIL", "MTL", "REL", "OPT", "BAG", "FAMILY", "GROUP")
#: These fill at a close only, and a world that never closes refuses them: nothing may come of them.
AT_CLOSE = ("MOC", "LOC")
kinds = st.sampled_from((*KINDS, *AT_CLOSE))
actions = st.one_of(
    st.tuples(st.just("place"), clients, accounts, sides, st.integers(1, 900), kinds),
    st.tuples(st.just("place"), clients, accounts, sides, st.integers(1, 900), kinds),
    st.tuples(st.just("live"), st.floats(0.05, 1.5)),
    st.tuples(st.just("live"), st.floats(0.05, 1.5)),
    st.tuples(st.just("cancel"), clients, st.integers(0, 5)),
    st.tuples(st.just("modify"), clients, st.integers(0, 5), st.integers(1, 1200)),
    st.tuples(st.just("manual"), accounts, sides, st.integers(1, 300)),
    st.tuples(st.just("drop"), clients),
    st.tuples(st.just("join"), clients),
    st.tuples(st.just("cancel_all"), clients),
    st.tuples(st.just("restart")),
)


class Play:
    """A world of two accounts, three clients that keep books, and the invariants that must hold throughout."""

    def __init__(self, folder: Path) -> None:
        given_accounts = [{"id": name, "cash": cash} for name, cash in START_CASH.items()]
        given_accounts[0]["positions"] = [{"contract_key": CALL, "quantity": 10}]
        self._file = scenario_file(folder, accounts=given_accounts, speed=20)
        self._state = folder / "state"
        self.ledgers = {client_id: ClientLedger(client_id) for client_id in CLIENTS}
        self.fresh = dict.fromkeys(CLIENTS, 0)
        self.asked: dict[tuple[int, str], float] = {}
        self._open()
        self.start = {
            (p.account, p.contract.con_id): (p.quantity, p.avg_cost, p.contract.multiplier_units)
            for p in self.stage.world.positions()
        }
        (held,) = (p.contract for p in self.stage.world.positions())
        other = self.stage.world.qualify(replace(_as_query(held), strike=held.strike + 5.0))
        self.options = (held.con_id, other.con_id)
        for ledger in self.ledgers.values():
            ledger.connect(self.stage.world)

    def _open(self) -> None:
        self.stage = Stage(self._file, self._state)
        self._heard = 0

    # -- actions

    def do(self, action: tuple[Any, ...]) -> None:
        name, *arguments = action
        try:
            getattr(self, name)(*arguments)
        except BrokerError as error:
            # Refused as a client's order may be; that nothing came of it is what the invariants look at.
            assert error.code in (103, 104, 105, 201, 10006, 10147, 10148, 10326), error
        self.listen()

    def listen(self) -> None:
        """Let every client hear what happened since."""
        for name, heard in self.stage.heard.events[self._heard :]:
            for ledger in self.ledgers.values():
                ledger.hear(name, heard)
        self._heard = len(self.stage.heard.events)

    def place(self, client: int, account: str, side: str, quantity: int, kind: str) -> None:
        order = replace(request(side, float(quantity)), account=account)
        if kind == "FAMILY":
            self._family(client, order)
        elif kind == "GROUP":
            group: dict[str, Any] = {"oca_group": f"G{self.fresh[client]}", "oca_type": 1 + quantity % 3}
            self.asked[client, group["oca_group"]] = order.quantity
            for _ in range(3):
                self._send(client, replace(order, order_type="LMT", limit_price=self._price(side, 0.02), **group))
        else:
            self._send(client, self._shaped(order, side, kind))

    def _shaped(self, order: OrderRequest, side: str, kind: str) -> OrderRequest:
        few = float(1 + int(order.quantity) % 30)
        match kind:
            case "LMT":
                return replace(order, order_type="LMT", limit_price=self._price(side, 0.02))
            case "FAR":
                return replace(order, order_type="LMT", limit_price=self._price(side, -9.0), tif="GTC")
            case "STP":
                return replace(order, order_type="STP", aux_price=self._price(side, 0.05))
            case "IOC":
                return replace(order, tif="IOC")
            case "TRAIL":
                # A cent behind the touch: it trades at the next move against it.
                return replace(order, order_type="TRAIL", aux_price=0.01)
            case "MTL" | "MOC":
                return replace(order, order_type=kind)
            case "REL":
                return replace(order, order_type="REL", aux_price=0.05)
            case "LOC":
                return replace(order, order_type="LOC", limit_price=self._price(side, 0.02))
            case "OPT":
                return replace(order, contract=ContractQuery(con_id=self.options[0]), quantity=few)
            case "BAG":
                legs = (ComboLeg(self.options[0], 1, "BUY"), ComboLeg(self.options[1], 2, "SELL"))
                bag = ContractQuery(symbol="NVDA", sec_type="BAG", combo_legs=legs)
                return replace(order, contract=bag, quantity=few)
        return order

    def _family(self, client: int, parent: OrderRequest) -> None:
        other = "SELL" if parent.action == "BUY" else "BUY"
        parent_id = self._send(client, replace(parent, transmit=False))
        limit = replace(parent, action=other, order_type="LMT", limit_price=self._price(other, 0.0))
        self._send(client, replace(limit, parent_id=parent_id, transmit=False))
        stop = replace(parent, action=other, order_type="STP", aux_price=self._price(other, -20.0))
        self._send(client, replace(stop, parent_id=parent_id))

    def _send(self, client: int, order: OrderRequest) -> int:
        order_id = self._take_id(client)
        self.stage.world.place_order(client, order_id, order)
        return order_id

    def _take_id(self, client: int) -> int:
        self.fresh[client] = max(self.fresh[client] + 1, self.stage.world.next_order_id(client))
        return self.fresh[client]

    def _price(self, side: str, through: float) -> float:
        """A price that is ``through`` dollars beyond the touch, so that it trades, or short of it when negative."""
        quote = self.stage.world.board.quote(self.stage.world.universe.stock.con_id)
        return round(quote.ask + through, 2) if side == "BUY" else round(quote.bid - through, 2)

    def cancel(self, client: int, nth: int) -> None:
        self.stage.world.cancel_order(client, self._nth(client, nth).order_id)

    def modify(self, client: int, nth: int, quantity: int) -> None:
        order = self._nth(client, nth)
        self.stage.world.place_order(client, order.order_id, replace(order.request, quantity=float(quantity)))
        if (client, order.request.oca_group) in self.asked:
            self.asked[client, order.request.oca_group] += quantity

    def _nth(self, client: int, nth: int) -> BookOrder:
        mine = [order for order in self.stage.world.book.orders.values() if order.client_id == client]
        if not mine:
            raise BrokerError(10147, "no order yet")
        return mine[-1 - nth % len(mine)]

    def manual(self, account: str, side: str, quantity: int) -> None:
        self.stage.world.place_manual(replace(request(side, float(quantity)), account=account))

    def live(self, wall_s: float) -> None:
        self.stage.live(wall_s)

    def drop(self, client: int) -> None:
        self.ledgers[client].disconnect(self.stage.world)

    def join(self, client: int) -> None:
        self.ledgers[client].connect(self.stage.world)

    def cancel_all(self, client: int) -> None:
        self.stage.world.global_cancel(client)

    def restart(self) -> None:
        self.listen()
        for ledger in self.ledgers.values():
            ledger.connected = False
        self._open()
        for ledger in self.ledgers.values():
            ledger.connect(self.stage.world)

    # -- what must hold

    def check(self) -> None:
        self._check_executions()
        self._check_money()
        self._check_orders()
        for ledger in self.ledgers.values():
            if ledger.connected:
                self._check_client(ledger)

    def _check_executions(self) -> None:
        book = self.stage.world.book
        ids = Counter(done.execution.exec_id for done in book.executions)
        assert not [exec_id for exec_id, times in ids.items() if times > 1]
        moved: defaultdict[tuple[str, int], float] = defaultdict(float)
        for key, (quantity, _, _) in self.start.items():
            moved[key] = quantity
        for done in book.executions:
            if done.commission is not None:
                fill = done.execution
                moved[fill.account, fill.contract.con_id] += _signed(fill)
        held = {(p.account, p.contract.con_id): p.quantity for p in self.stage.world.positions()}
        assert held == {key: quantity for key, quantity in moved.items() if abs(quantity) > 1e-9}

    def _check_money(self) -> None:
        world = self.stage.world
        for name, cash in START_CASH.items():
            account, figures = world.settlement.accounts[name], world.settlement.figures(name)
            for done in world.book.executions:
                if done.commission is not None and done.execution.account == name:
                    fill = done.execution
                    cash -= _signed(fill) * fill.price * fill.contract.multiplier_units + done.commission.commission
            assert abs(account.cash - cash) < CENT
            worth = account.cash + sum(item.market_value for item in world.portfolio(name))
            assert abs(figures.net_liquidation - worth) < 0.05, "cash and marks are what the account is worth"
            paid = sum(q * cost for (owner, _), (q, cost, _) in self.start.items() if owner == name)
            profit = figures.realized + figures.unrealized
            assert abs(figures.net_liquidation - (START_CASH[name] + paid + profit)) < 0.05

    def _check_orders(self) -> None:
        book = self.stage.world.book
        filled: defaultdict[int, float] = defaultdict(float)
        for done in book.executions:
            if done.execution.contract.con_id == book.orders[done.execution.perm_id].contract.con_id:
                filled[done.execution.perm_id] += done.execution.quantity
        groups: defaultdict[tuple[int, str], list[BookOrder]] = defaultdict(list)
        for order in book.orders.values():
            assert abs(order.filled - filled[order.perm_id]) < 1e-6
            assert order.filled <= order.request.quantity + 1e-6
            assert (order.status is OrderStatus.FILLED) == (order.remaining <= 1e-9)
            if order.parent_perm_id and order.filled:
                assert book.orders[order.parent_perm_id].status is OrderStatus.FILLED
            if order.request.oca_group.startswith("G"):
                groups[order.client_id, order.request.oca_group].append(order)
        for members in groups.values():
            # Each asked for the same: a group that fills like more than one of its members has overfilled.
            asked = self.asked[members[0].client_id, members[0].request.oca_group]
            assert sum(member.filled for member in members) <= asked + 1e-6
            if members[0].request.oca_type == 1:
                assert sum(1 for member in members if member.filled) <= 1

    def _check_client(self, ledger: ClientLedger) -> None:
        world = self.stage.world
        assert ledger.told_twice == []
        assert ledger.held() == {(p.account, p.contract.con_id): p.quantity for p in world.positions()}
        for order in world.book.orders.values():
            if order.client_id == ledger.client_id:
                known = ledger.orders[order.perm_id]
                assert (known.status, known.filled) == (order.status, order.filled)
        own = {
            done.execution.exec_id: done.execution
            for done in world.book.executions
            if done.execution.client_id == ledger.client_id
        }
        assert own == {key: e for key, e in ledger.executions.items() if e.client_id == ledger.client_id}
        reported = {
            done.execution.exec_id: done.commission.commission
            for done in world.book.executions
            if done.reported and done.commission is not None and done.execution.client_id == ledger.client_id
        }
        assert reported == {key: fee for key, fee in ledger.commissions.items() if key in own}

    def check_all_alike(self) -> None:
        """After everybody has connected anew, all know the same, down to the last execution."""
        world = self.stage.world
        for ledger in self.ledgers.values():
            if ledger.connected:
                ledger.disconnect(world)
            ledger.connect(world)
        first, *rest = self.ledgers.values()
        everything = {execution.exec_id for execution, _ in world.executions(ExecutionFilter())}
        assert set(first.executions) == everything
        for other in rest:
            assert other.positions == first.positions
            assert other.executions == first.executions and other.commissions == first.commissions
        done = {perm_id for perm_id, order in world.book.orders.items() if not order.is_open}
        for ledger in self.ledgers.values():
            assert done <= set(ledger.orders)


def _signed(fill: Any) -> float:
    return float(fill.quantity if fill.side == "BOT" else -fill.quantity)


def _as_query(contract: Any) -> ContractQuery:
    return ContractQuery(
        symbol=contract.symbol,
        sec_type=contract.sec_type,
        expiry=contract.expiry,
        strike=contract.strike,
        right=contract.right,
    )


# No shrinking: a failing script of forty steps is read well enough, minutes of shorter ones are not worth the wait.
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(actions, min_size=5, max_size=40))
def test_money_positions_and_what_everybody_sees_agree(script: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play = Play(Path(folder))
        for action in script:
            play.do(action)
            play.check()
        play.do(("live", 2.0))
        play.check()
        play.check_all_alike()


def test_a_long_day_of_everything(tmp_path: Path) -> None:
    """One fixed script in which each kind of order fills, so that the invariants are not held by nothing at all."""
    play = Play(tmp_path)
    for number, kind in enumerate(KINDS * 2):
        client = CLIENTS[number % 3]
        side = ("BUY", "SELL")[number // len(KINDS)]
        play.do(("place", client, ACCOUNTS[number % 2], side, 40 + 13 * number, kind))
        play.do(("live", 1.0))
        play.check()
        if number % 5 == 4:
            play.do(("drop", client))
            play.do(("manual", ACCOUNTS[0], "BUY", 50))
            play.do(("live", 0.5))
            play.do(("join", client))
        if number == 9:
            play.do(("restart",))
    for quantity in (600, 700, 800):  # groups of types 1, 2 and 3, larger than the touch
        play.do(("place", 1, ACCOUNTS[0], "BUY", quantity, "GROUP"))
        for _ in range(10):
            play.do(("live", 0.2))
            play.check()
    play.check_all_alike()
    kinds_filled = {order.contract.sec_type for order in play.stage.world.book.orders.values() if order.filled}
    assert kinds_filled == {"STK", "OPT", "BAG"}
    types_filled = {order.request.order_type for order in play.stage.world.book.orders.values() if order.filled}
    assert types_filled == {"MKT", "LMT", "STP", "TRAIL", "MTL", "REL"}
    assert len(play.stage.world.book.executions) > 20
