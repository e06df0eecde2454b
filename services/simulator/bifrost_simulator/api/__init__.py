"""What the wire and the world say to each other.

The world (`bifrost_simulator.world`) is a synchronous, deterministic core: contracts, market, accounts, orders. The
wire (`bifrost_simulator.wire`) turns its events into TWS frames and requests into its method calls. Neither imports
the other; both import this module.

Rules
-----
- Everything runs in one thread. A world method may call the listener before it returns; the listener must only queue.
- A request that cannot be answered raises `BrokerError`; the wire sends it as message 4 with the request's id.
- The world decides who hears of an order (owner, client 0): every order event names its recipient client.
- Prices are dollars per unit (option premium per share), quantities are signed only in positions, times are aware UTC
  **market** time unless a name ends in ``_wall``. ``None`` means "unset" and goes out as an empty field.
"""

from bifrost_simulator.api.accounts import AccountValue, Pnl, PnlSingle, PortfolioItem, Position
from bifrost_simulator.api.base import BrokerError, Direction, Journal
from bifrost_simulator.api.contracts import (
    ComboLeg,
    Contract,
    ContractDetails,
    ContractQuery,
    OptionChain,
    PriceIncrement,
    SymbolSample,
)
from bifrost_simulator.api.market import (
    Bar,
    BarSeries,
    GenericTick,
    HistoricalRequest,
    MarketDataType,
    OptionTick,
    PriceTick,
    SizeTick,
    StringTick,
    Tick,
    TickReqParams,
    TickType,
)
from bifrost_simulator.api.orders import (
    Commission,
    Execution,
    ExecutionFilter,
    OrderRequest,
    OrderState,
    OrderStatus,
    OrderView,
)
from bifrost_simulator.api.ports import World, WorldListener

__all__ = [
    "AccountValue",
    "Bar",
    "BarSeries",
    "BrokerError",
    "ComboLeg",
    "Commission",
    "Contract",
    "ContractDetails",
    "ContractQuery",
    "Direction",
    "Execution",
    "ExecutionFilter",
    "GenericTick",
    "HistoricalRequest",
    "Journal",
    "MarketDataType",
    "OptionChain",
    "OptionTick",
    "OrderRequest",
    "OrderState",
    "OrderStatus",
    "OrderView",
    "Pnl",
    "PnlSingle",
    "PortfolioItem",
    "Position",
    "PriceIncrement",
    "PriceTick",
    "SizeTick",
    "StringTick",
    "SymbolSample",
    "Tick",
    "TickReqParams",
    "TickType",
    "World",
    "WorldListener",
]
