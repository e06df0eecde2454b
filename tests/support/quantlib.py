"""QuantLib as the oracle of the option model: European and American, with a yield or with discrete dividends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import QuantLib as ql

TODAY = ql.Date(1, 6, 2026)
DAYS = ql.Actual365Fixed()
Dividends = Sequence[tuple[int, float]]
"""Days from now to the ex-date, dollars a share."""


@dataclass(frozen=True, slots=True)
class Case:
    """One option; ``days`` to expiry, rates annual and continuous."""

    spot: float
    strike: float
    days: int
    rate: float
    q: float
    vol: float
    right: str

    @property
    def inputs(self) -> tuple[float, float, float, float, float, float, str]:
        """The arguments of `bifrost.options.option_greeks` up to ``right``."""
        return (self.spot, self.strike, self.days / 365, self.rate, self.q, self.vol, self.right)


def _flat(rate: float) -> ql.YieldTermStructureHandle:
    return ql.YieldTermStructureHandle(ql.FlatForward(TODAY, rate, DAYS))


class Oracle:
    """One option in QuantLib, with quotes that can be moved."""

    def __init__(self, case: Case, exercise: ql.Exercise) -> None:
        ql.Settings.instance().evaluationDate = TODAY
        self.spot, self.vol = ql.SimpleQuote(case.spot), ql.SimpleQuote(case.vol)
        surface = ql.BlackConstantVol(TODAY, ql.NullCalendar(), ql.QuoteHandle(self.vol), DAYS)
        self.process = ql.BlackScholesMertonProcess(
            ql.QuoteHandle(self.spot), _flat(case.q), _flat(case.rate), ql.BlackVolTermStructureHandle(surface)
        )
        side = ql.Option.Call if case.right == "C" else ql.Option.Put
        self.option = ql.VanillaOption(ql.PlainVanillaPayoff(side, case.strike), exercise)

    def moved(self, quote: ql.SimpleQuote, step: float) -> tuple[float, float, float]:
        """Price with ``quote`` lower, as it is, and higher by ``step``."""
        base = quote.value()
        prices = []
        for value in (base - step, base, base + step):
            quote.setValue(value)
            prices.append(self.option.NPV())
        quote.setValue(base)
        return prices[0], prices[1], prices[2]


def european(case: Case) -> ql.VanillaOption:
    """Black–Scholes–Merton in closed form: NPV, delta, gamma, vega, theta (a year), rho."""
    oracle = Oracle(case, ql.EuropeanExercise(TODAY + case.days))
    oracle.option.setPricingEngine(ql.AnalyticEuropeanEngine(oracle.process))
    return oracle.option


def american(case: Case) -> tuple[float, float, float, float]:
    """Price, delta, gamma and vega by spectral collocation (Andersen, Lake, Offengenden) and differences of it."""
    oracle = Oracle(case, ql.AmericanExercise(TODAY, TODAY + case.days))
    scheme = ql.QdFpAmericanEngine.fastScheme() if case.days < 1000 else ql.QdFpAmericanEngine.accurateScheme()
    oracle.option.setPricingEngine(ql.QdFpAmericanEngine(oracle.process, scheme))
    step = 2e-3 * case.spot
    low, here, high = oracle.moved(oracle.spot, step)
    thin, _, thick = oracle.moved(oracle.vol, 1e-3)
    return here, (high - low) / (2 * step), (high - 2 * here + low) / step**2, (thick - thin) / 2e-3


def with_dividends(case: Case, dividends: Dividends, american: bool) -> tuple[float, float]:
    """Price and delta by finite differences in the escrowed model."""
    exercise = ql.AmericanExercise(TODAY, TODAY + case.days) if american else ql.EuropeanExercise(TODAY + case.days)
    oracle = Oracle(case, exercise)
    schedule = ql.DividendVector([TODAY + days for days, _ in dividends], [amount for _, amount in dividends])
    douglas, escrowed = ql.FdmSchemeDesc.Douglas(), ql.FdBlackScholesVanillaEngine.Escrowed
    engine = ql.FdBlackScholesVanillaEngine(oracle.process, schedule, 200, 400, 0, douglas, False, -1.0, escrowed)
    oracle.option.setPricingEngine(engine)
    return oracle.option.NPV(), oracle.option.delta()
