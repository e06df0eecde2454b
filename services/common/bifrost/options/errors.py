"""Failures of the option model: always an exception, never a zero or a NaN that looks like a number."""

from __future__ import annotations


class ModelError(ValueError):
    """The model cannot answer; the message names the input, its value and what it must be."""


class NoImpliedVolatility(ModelError):
    """No volatility reproduces the price: it lies outside what the model can reach."""
