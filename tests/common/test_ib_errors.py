"""Codes: each named one has a meaning, and the classes say what engine.md section 6 says."""

from __future__ import annotations

import pytest
from bifrost.ib import IbCode, IbError
from bifrost.ib import errors as codes


def test_every_named_code_has_a_meaning_of_its_own() -> None:
    assert set(codes.MEANING) == set(IbCode)
    assert len(set(codes.MEANING.values())) == len(IbCode)


@pytest.mark.parametrize("code", [399, 10349, 2109, 202, 2104, 2106, 2107, 2108, 2119, 2158])
def test_information(code: int) -> None:
    assert codes.is_information(code)
    assert not codes.is_order_reject(code)


@pytest.mark.parametrize("code", [201, 200, 110, 103, 321, 435, 2103, 2105, 2110, 2157, 1100, 354, 404])
def test_not_information(code: int) -> None:
    assert not codes.is_information(code)


@pytest.mark.parametrize("code", [101, 200, 354, 10089, 10167, 10197])
def test_line_errors(code: int) -> None:
    assert codes.is_market_data_line_error(code)


@pytest.mark.parametrize("code", [103, 110, 200, 201, 321, 435])
def test_order_rejects(code: int) -> None:
    assert codes.is_order_reject(code)


def test_an_order_held_for_shares_is_not_rejected() -> None:
    assert not codes.is_order_reject(404)


def test_cancel_and_modify_refusals_leave_the_order_alive() -> None:
    for code in (10147, 10148, 10149):
        assert codes.is_cancel_reject(code)
        assert not codes.is_order_reject(code)
    for code in (104, 105):
        assert codes.is_modify_reject(code)
        assert not codes.is_order_reject(code)


def test_connectivity_and_farms() -> None:
    assert [code for code in (1100, 1101, 1102, 1300, 2110) if not codes.is_connectivity(code)] == []
    assert codes.is_farm_status(2103)
    assert codes.is_farm_status(2158)
    assert not codes.is_farm_status(2110)
    assert not codes.is_farm_status(2109)


def test_the_text_is_ibs_and_the_meaning_ours() -> None:
    error = IbError(354, 7, "Requested market data is not subscribed.")
    assert str(error) == "IB 354: Requested market data is not subscribed."
    assert error.meaning == "no market-data subscription for this contract"
    assert IbError(777, -1, "something new").meaning == "something new"
