"""IB for every service that reads it: connection, contracts, market data, accounts. Never orders.

Install with the extra ``bifrost[ib]``. One module, :mod:`bifrost.ib.library`, imports the IB library.
"""

from .accounts import AccountReader, AccountReport, AccountsReport, BrokerPosition, SummaryValue
from .connection import IbConnection
from .contracts import ContractCache, ContractFailure, ContractInfo, PriceStep, key_of, library_contract
from .errors import IbCode, IbError
from .failures import ConnectFailure, IbConnectError, IbNotConnected, IbRequestError, IbRequestTimeout
from .hooks import Hook
from .market_data import MarketDataLines
from .pacing import RequestPacer
from .quotes import LineError, MarketDataType, ModelTick, QuoteUpdate

__all__ = [
    "AccountReader",
    "AccountReport",
    "AccountsReport",
    "BrokerPosition",
    "ConnectFailure",
    "ContractCache",
    "ContractFailure",
    "ContractInfo",
    "Hook",
    "IbCode",
    "IbConnectError",
    "IbConnection",
    "IbError",
    "IbNotConnected",
    "IbRequestError",
    "IbRequestTimeout",
    "LineError",
    "MarketDataLines",
    "MarketDataType",
    "ModelTick",
    "PriceStep",
    "QuoteUpdate",
    "RequestPacer",
    "SummaryValue",
    "key_of",
    "library_contract",
]
