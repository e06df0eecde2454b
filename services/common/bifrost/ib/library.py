"""The one module that imports the IB library: ``ib_insync``, else its successor ``ib_async`` (same API).

The two cannot share an environment: both ship a package called ``eventkit`` (tws-protocol.md G15). Everything that the
desk uses of the library is re-exported here, so no other module knows which of them is installed.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from types import ModuleType


def _import_library() -> ModuleType:
    """Import the installed library under a current event loop.

    ``eventkit`` asks for the thread's loop while it is imported; without one that is a warning today and an error
    from Python 3.14 on.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        borrowed = asyncio.new_event_loop()
        asyncio.set_event_loop(borrowed)
        try:
            return _first_installed()
        finally:
            asyncio.set_event_loop(None)
            borrowed.close()
    return _first_installed()


def _first_installed() -> ModuleType:
    for name in ("ib_insync", "ib_async"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise ModuleNotFoundError("no IB library: install bifrost[ib] (ib_insync), or ib_async in its place")


_library = _import_library()

LIBRARY_NAME: str = _library.__name__
LIBRARY_VERSION: str = str(getattr(_library, "__version__", "unknown"))
IS_IB_ASYNC: bool = LIBRARY_NAME == "ib_async"

IB = _library.IB
Client = _library.Client
Wrapper = _library.Wrapper
Contract = _library.Contract
Stock = _library.Stock
Option = _library.Option
Order = _library.Order
LimitOrder = _library.LimitOrder
MarketOrder = _library.MarketOrder
OrderStatus = _library.OrderStatus
OrderState = _library.OrderState
Trade = _library.Trade
Fill = _library.Fill
Execution = _library.Execution
ExecutionFilter = _library.ExecutionFilter
CommissionReport = _library.CommissionReport
ContractDetails = _library.ContractDetails
Position = _library.Position
AccountValue = _library.AccountValue
RequestError = importlib.import_module(f"{LIBRARY_NAME}.wrapper").RequestError

# The library's own reports repeat what bifrost.ib says with the contract key and a reason; its repr of every order
# and position costs more than the tick that caused it (tws-protocol.md section 11).
for _name in ("client", "wrapper", "ib"):
    logging.getLogger(f"{LIBRARY_NAME}.{_name}").setLevel(logging.CRITICAL)
