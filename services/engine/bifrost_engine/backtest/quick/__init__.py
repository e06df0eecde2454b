"""The quick path of a backtest: stretches of quotes at which the core would only have said "none" are not put to it.

The argument why nothing else comes out is in docs/backtest-quick.md; the property test holds quick against full.
"""

from .run import QuickRun

__all__ = ["QuickRun"]
