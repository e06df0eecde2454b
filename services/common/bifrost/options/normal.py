"""Standard normal distribution for arrays, to double precision.

Cumulative function after J. F. Hart, *Computer Approximations* (1968), in the form of G. West, "Better approximations
to cumulative normal functions", Wilmott (2005); absolute error below 1e-15.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
_NUMERATOR = (
    3.52624965998911e-02,
    0.700383064443688,
    6.37396220353165,
    33.912866078383,
    112.079291497871,
    221.213596169931,
    220.206867912376,
)
_DENOMINATOR = (
    8.83883476483184e-02,
    1.75566716318264,
    16.064177579207,
    86.7807322029461,
    296.564248779674,
    637.333633378831,
    793.826512519948,
    440.413735824752,
)
_FAR = 7.07106781186547


def pdf(x: Floats) -> Floats:
    """Density."""
    result: Floats = INV_SQRT_2PI * np.exp(-0.5 * x * x)
    return result


def cdf(x: Floats) -> Floats:
    """Probability of a value below ``x``."""
    size = np.abs(x)
    bell = np.exp(-0.5 * size * size)
    near = bell * _horner(_NUMERATOR, size) / _horner(_DENOMINATOR, size)
    if np.any(size >= _FAR):
        # Continued fraction of Mills' ratio; the polynomials lose digits out here.
        tail = size + 0.65
        for k in (4.0, 3.0, 2.0, 1.0):
            tail = size + k / tail
        near = np.where(size < _FAR, near, np.where(size > 37.0, 0.0, bell * INV_SQRT_2PI / tail))
    result: Floats = np.where(x > 0.0, 1.0 - near, near)
    return result


def _horner(coefficients: tuple[float, ...], x: Floats) -> Floats:
    total: Floats = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total *= x
        total += coefficient
    return total


def cdf_scalar(x: float) -> float:
    """Probability of a value below ``x``, one number."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def pdf_scalar(x: float) -> float:
    """Density, one number."""
    return INV_SQRT_2PI * math.exp(-0.5 * x * x)
