"""US dollars stay exact from a price to a page."""

from decimal import Decimal

import pytest
from bson import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from models.money import plain, quantize_usd, stored_usd, to_decimal

AMOUNTS = st.decimals(min_value=-(10**18), max_value=10**18, places=15)


@given(AMOUNTS)
def test_a_stored_amount_reads_back_to_the_digit(amount: Decimal) -> None:
    quantised = quantize_usd(amount)

    assert stored_usd(quantised) == Decimal128(quantised)
    assert to_decimal(stored_usd(quantised)) == amount


def test_amounts_are_rounded_half_even_once() -> None:
    assert quantize_usd(Decimal("0.0000000000000005")) == Decimal(0)
    assert quantize_usd(Decimal("0.0000000000000015")) == Decimal("0.000000000000002")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("3E-7", "0.0000003"),
        ("0E-15", "0"),
        ("96.791325000000000", "96.791325"),
        ("1E+3", "1000"),
        ("-0.000000000000001", "-0.000000000000001"),
        ("100", "100"),
        ("12345678901234567890.123456789012345", "12345678901234567890.123456789012345"),
    ],
)
def test_numbers_are_printed_in_plain_digits(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text


def test_a_sum_over_nothing_is_zero_and_a_float_is_no_money() -> None:
    assert to_decimal(None) == Decimal(0)
    with pytest.raises(TypeError, match="float"):
        to_decimal(0.1)
