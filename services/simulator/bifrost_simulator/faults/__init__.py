"""Faults: named, parametrised cases of what goes wrong out there. One fault, one small class."""

from bifrost_simulator.faults import connection, orders, quotes
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
    "connection",
    "orders",
    "quotes",
]
