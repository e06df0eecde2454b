"""Faults: named, parametrised cases of what goes wrong out there. One fault, one small class.

Importing this package registers the whole catalogue.
"""

from bifrost_simulator.faults import (
    acknowledgements,
    clock,
    commissions,
    connection,
    delayed,
    farms,
    fills,
    market,
    orders,
    people,
    quotes,
    restarts,
    sessions,
    wire,
)
from bifrost_simulator.faults.base import BadParameters, Fault, FaultParameters, UnknownFault
from bifrost_simulator.faults.hooks import WorldHooks
from bifrost_simulator.faults.registry import REGISTRY, ActiveFaults

__all__ = [
    "REGISTRY",
    "ActiveFaults",
    "BadParameters",
    "Fault",
    "FaultParameters",
    "UnknownFault",
    "WorldHooks",
    "acknowledgements",
    "clock",
    "commissions",
    "connection",
    "delayed",
    "farms",
    "fills",
    "market",
    "orders",
    "people",
    "quotes",
    "restarts",
    "sessions",
    "wire",
]
