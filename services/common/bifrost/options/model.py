"""The desk's option model: one leg or a whole book, European formula plus early exercise where it matters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from . import american as integral
from .errors import ModelError
from .european import BookGreeks, Greeks, european_book, european_greeks
from .normal import Floats
from .tree import Flags, Lattice, escrow, premium

MIN_YEARS = 1e-9
"""About 30 ms: nearer to expiry the formula has no meaning; the engine then counts the leg as expired."""
_MAX_VOL = 10.0
FAR_STANDARD_DEVIATIONS = 12.0
_SPOT_BUMP = 0.01
_VOL_BUMP = 0.005
_RATE_BUMP = 0.001
_SIGNS = {"C": 1.0, "P": -1.0}

Positions = NDArray[np.intp]
Dividends = Sequence[tuple[float, float]]
"""Discrete dividends: years from now to the ex-date, dollars a share."""


def option_greeks(
    spot: float,
    strike: float,
    t_years: float,
    rate: float,
    dividend_yield: float,
    iv_annual: float,
    right: str,
    american: bool = True,
    dividends: Dividends = (),
) -> Greeks:
    """Price and greeks of one option per share.

    Parameters
    ----------
    spot, strike : float
        Dollars, above zero.
    t_years : float
        Years of 365 days to the last trading moment, above zero.
    rate, dividend_yield : float
        Annual, continuously compounded.
    iv_annual : float
        Annual volatility, above zero.
    right : str
        ``C`` or ``P``.
    american : bool
        Whether the holder may exercise early.
    dividends : sequence of (years from now, dollars)
        Discrete dividends; those after expiry are left out.

    Raises
    ------
    ModelError
        For an input outside its range; never a zero or NaN instead.
    """
    call = _is_call(right)
    paid = _check_dividends(dividends)
    _check("spot", spot, 0.0)
    _check("strike", strike, 0.0)
    _check("t_years", t_years, MIN_YEARS)
    _check("iv_annual", iv_annual, 0.0, _MAX_VOL)
    _check_rates(rate, dividend_yield)
    if (american and exercise_matters(call, rate, dividend_yield, paid)) or paid:
        sides = np.array([1.0 if call else -1.0])
        one_strike, years, vol = (np.array([value], dtype=np.float64) for value in (strike, t_years, iv_annual))
        return _book(spot, one_strike, years, rate, dividend_yield, vol, sides, american, paid).leg(0)
    return european_greeks(spot, strike, t_years, rate, dividend_yield, iv_annual, call)


def book_greeks(
    spot: float,
    strike: Floats,
    t_years: Floats,
    rate: float,
    dividend_yield: float,
    iv_annual: Floats,
    right: Sequence[str],
    american: bool = True,
    dividends: Dividends = (),
) -> BookGreeks:
    """`option_greeks` of a whole book at once: arrays of one length, one element a leg.

    Raises
    ------
    ModelError
        Naming the first leg (from 0) whose input is outside its range.
    """
    strikes, years, vols = (np.asarray(part, dtype=np.float64) for part in (strike, t_years, iv_annual))
    if not strikes.shape == years.shape == vols.shape == (len(right),):
        raise ModelError(
            f"legs disagree in number: strike {strikes.shape}, t_years {years.shape}, iv_annual {vols.shape}, "
            f"right {len(right)}"
        )
    _check("spot", spot, 0.0)
    _check_rates(rate, dividend_yield)
    paid = _check_dividends(dividends)
    _check_array("strike", strikes, 0.0)
    _check_array("t_years", years, MIN_YEARS)
    _check_array("iv_annual", vols, 0.0, _MAX_VOL)
    if not _SIGNS.keys() >= set(right):
        raise ModelError(f"right {next(side for side in right if side not in _SIGNS)!r} must be 'C' or 'P'")
    sign = np.array([_SIGNS[side] for side in right])
    return _book(spot, strikes, years, rate, dividend_yield, vols, sign, american, paid)


def exercise_matters(call: bool, rate: float, dividend_yield: float, dividends: Dividends = ()) -> bool:
    """Whether exercise before expiry can be worth anything: puts, and calls with dividends.

    A call without dividends is never exercised early while the rate is not negative (Merton 1973); by put–call
    symmetry neither is a put at a rate of zero or less with a yield not below it.
    """
    if call:
        return dividend_yield > 0 or rate < dividend_yield or bool(dividends)
    return rate > 0 or dividend_yield < rate


def intrinsic_value(spot: float, strike: float, right: str) -> float:
    """Dollars a share if exercised now."""
    return max(spot - strike if _is_call(right) else strike - spot, 0.0)


def _book(
    spot: float,
    strike: Floats,
    t_years: Floats,
    rate: float,
    q: float,
    vol: Floats,
    sign: Floats,
    american: bool,
    dividends: tuple[tuple[float, float], ...],
) -> BookGreeks:
    calls, puts = (american and exercise_matters(call, rate, q, dividends) for call in (True, False))
    if not (calls or puts or dividends):
        return _finite(european_book(spot, strike, t_years, rate, q, vol, sign), spot, rate, q)
    rates = np.full(strike.shape, rate, dtype=np.float64)
    held_back = escrow(t_years, rates, dividends, np.zeros_like(strike))
    risky = spot - held_back
    if np.any(risky <= 0):
        raise ModelError(f"dividends worth {float(held_back.max()):g} leave nothing of spot {spot:g}")
    base = european_book(risky, strike, t_years, rate, q, vol, sign)
    # What is held back grows by the rate as time passes, which takes value from the risky part.
    theta = base.theta_year - base.delta * rate * held_back
    rho = base.rho + base.delta * _escrow_rho(t_years, rates, dividends)
    figures = [base.price, base.delta, base.gamma, base.vega, theta, rho]
    wide = np.abs(np.log(risky / strike)) < FAR_STANDARD_DEVIATIONS * vol * np.sqrt(t_years)
    early = np.where(sign > 0, calls, puts)
    # Beyond the tree's reach the holder of a leg in the money exercises at once.
    intrinsic = np.maximum(sign * (spot - strike), 0.0)
    exercised = early & ~wide
    european = base.price.copy()
    smooth = early & wide & (held_back == 0.0) & _has_boundary(t_years, rate, q, vol, sign)
    chosen = np.flatnonzero(smooth)
    if chosen.size:
        exercised[chosen] = _add_integral(
            figures, chosen, spot, strike[chosen], t_years[chosen], rate, q, vol[chosen], sign[chosen]
        )
    chosen = np.flatnonzero(early & wide & ~smooth)
    if chosen.size:
        part = Lattice(
            risky[chosen], strike[chosen], t_years[chosen], rates[chosen], q, vol[chosen], sign[chosen], dividends
        )
        exercised[chosen] = _add_premium(figures, chosen, part, spot)
    exercised |= early & (figures[0] < intrinsic)
    _exercise(figures, exercised & (intrinsic > 0) & (intrinsic >= european), intrinsic, sign)
    return _finite(BookGreeks(*figures), spot, rate, q)


def _finite(book: BookGreeks, spot: float, rate: float, q: float) -> BookGreeks:
    """The book itself, when every figure of every leg is a number: one that is none makes its sum none."""
    total = (book.price + book.delta + book.gamma + book.vega + book.theta_year + book.rho).sum()
    if not math.isfinite(total):
        raise ModelError(f"no finite figures at spot {spot:g}, rate {rate:g}, yield {q:g}")
    return book


def _has_boundary(t_years: Floats, rate: float, q: float, vol: Floats, sign: Floats) -> Flags:
    """Which legs have one smooth exercise boundary; the tree prices the others."""
    calls, puts = integral.reaches(True, rate, q), integral.reaches(False, rate, q)
    result: Flags = integral.within(t_years, vol) & np.where(sign > 0, calls, puts)
    return result


def _add_integral(
    figures: list[Floats],
    chosen: Positions,
    spot: float,
    strike: Floats,
    t_years: Floats,
    rate: float,
    q: float,
    vol: Floats,
    sign: Floats,
) -> Flags:
    """As `_add_premium`, by the integral over the exercise boundary."""

    extra = integral.premium(spot, strike, t_years, rate, q, vol, sign)
    for figure, more in zip(figures, extra.figures, strict=True):
        figure[chosen] += more
    # What the quadrature leaves of a premium that is next to nothing may lie below it.
    for figure in (figures[2], figures[3]):
        figure[chosen] = np.maximum(figure[chosen], 0.0)
    return extra.now


def _add_premium(figures: list[Floats], chosen: Positions, part: Lattice, spot: float) -> Flags:
    """Add the early-exercise premium and its differences to the European figures; say which legs are exercised now."""
    count = chosen.size
    h = spot * _SPOT_BUMP
    dv = np.minimum(_VOL_BUMP, 0.5 * part.vol)
    zero = np.zeros(count)
    moved_spot = np.concatenate([zero, zero + h, zero - h, zero, zero, zero, zero])
    moved_vol = np.concatenate([zero, zero, zero, dv, -dv, zero, zero])
    moved_rate = np.concatenate([zero, zero, zero, zero, zero, zero + _RATE_BUMP, zero - _RATE_BUMP])
    rate = np.tile(part.rate, 7) + moved_rate
    years = np.tile(part.t_years, 7)
    held_back = escrow(years, rate, part.dividends, np.zeros(7 * count))
    values, now = premium(
        Lattice(
            risky=spot + moved_spot - held_back,
            strike=np.tile(part.strike, 7),
            t_years=years,
            rate=rate,
            dividend_yield=part.dividend_yield,
            vol=np.tile(part.vol, 7) + moved_vol,
            sign=np.tile(part.sign, 7),
            dividends=part.dividends,
        )
    )
    here, up, down, vol_up, vol_down, rate_up, rate_down = values.reshape(7, count)
    delta, gamma = (up - down) / (2.0 * h), (up - 2.0 * here + down) / (h * h)
    figures[0][chosen] += here
    figures[1][chosen] += delta
    figures[2][chosen] = np.maximum(figures[2][chosen] + gamma, 0.0)
    figures[3][chosen] = np.maximum(figures[3][chosen] + (vol_up - vol_down) / (2.0 * dv), 0.0)
    figures[5][chosen] += (rate_up - rate_down) / (2.0 * _RATE_BUMP)
    # Theta from the pricing equation, which the American value obeys while it is held (Hull, "The Greek letters").
    rates, carry = part.rate, (part.rate - part.dividend_yield) * part.risky
    spread = 0.5 * (part.vol * part.risky) ** 2
    held_now = spot - part.risky
    figures[4][chosen] = (
        rates * figures[0][chosen] - (carry + rates * held_now) * figures[1][chosen] - spread * figures[2][chosen]
    )
    exercised: Flags = now[:count]
    return exercised


def _exercise(figures: list[Floats], now: Flags, intrinsic: Floats, sign: Floats) -> None:
    """The value of exercising now is exactly that: delta ±1 and nothing else."""
    figures[0][now] = intrinsic[now]
    figures[1][now] = sign[now]
    for figure in figures[2:]:
        figure[now] = 0.0


def _escrow_rho(t_years: Floats, rate: Floats, dividends: tuple[tuple[float, float], ...]) -> Floats:
    """Change of the risky part of spot per 1.00 of the rate: the dividends are worth less today."""
    total = np.zeros_like(t_years)
    for when, amount in dividends:
        total += np.where(when <= t_years, amount * when * np.exp(-rate * when), 0.0)
    return total


def _is_call(right: str) -> bool:
    if right not in ("C", "P"):
        raise ModelError(f"right {right!r} must be 'C' or 'P'")
    return right == "C"


def _check(name: str, value: float, above: float, highest: float = math.inf) -> None:
    if not (math.isfinite(value) and above < value <= highest):
        bound = f" and at most {highest:g}" if highest < math.inf else ""
        raise ModelError(f"{name} {value!r} must be a number above {above:g}{bound}")


def _check_array(name: str, values: Floats, above: float, highest: float = math.inf) -> None:
    good = np.isfinite(values) & (values > above) & (values <= highest)
    if not good.all():
        leg = int(np.flatnonzero(~good)[0])
        bound = f" and at most {highest:g}" if highest < math.inf else ""
        raise ModelError(f"{name} {float(values[leg])!r} of leg {leg} must be a number above {above:g}{bound}")


def _check_rates(rate: float, dividend_yield: float) -> None:
    for name, value in (("rate", rate), ("dividend_yield", dividend_yield)):
        if not (math.isfinite(value) and -1.0 <= value <= 1.0):
            raise ModelError(f"{name} {value!r} must lie between -1 and 1 (annual, continuous)")


def _check_dividends(dividends: Dividends) -> tuple[tuple[float, float], ...]:
    for when, amount in dividends:
        if not (math.isfinite(when) and math.isfinite(amount) and amount >= 0):
            raise ModelError(f"dividend of {amount!r} in {when!r} years must be a finite amount of 0 or more")
    return tuple((float(when), float(amount)) for when, amount in dividends if when > 0 and amount > 0)
