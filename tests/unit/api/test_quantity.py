"""Quantities: canonical form, exactness, both sides of each rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.api.quantity import Quantity, canonical_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("0", "0", id="zero"),
        pytest.param("0Ki", "0", id="binary zero"),
        pytest.param("0e5", "0", id="zero with exponent"),
        pytest.param("1", "1", id="one"),
        pytest.param("0.5", "500m", id="half"),
        pytest.param(".5", "500m", id="half without a digit in front"),
        pytest.param("5.", "5", id="trailing point"),
        pytest.param("1000m", "1", id="a thousand thousandths"),
        pytest.param("1001m", "1001m", id="not a whole number"),
        pytest.param("1000", "1k", id="a thousand"),
        pytest.param("1024", "1024", id="decimal stays decimal"),
        pytest.param("1024Mi", "1Gi", id="binary grows"),
        pytest.param("1025Mi", "1025Mi", id="binary that does not divide"),
        pytest.param("1.5Gi", "1536Mi", id="binary fraction"),
        pytest.param("0.5Ki", "512", id="less than 1024 has no suffix"),
        pytest.param("1024Ei", "1024Ei", id="there is nothing above Ei"),
        pytest.param("1000E", "1000E", id="there is nothing above E"),
        pytest.param("1e3", "1e3", id="exponent stays"),
        pytest.param("1E3", "1e3", id="capital exponent"),
        pytest.param("1000e3", "1e6", id="exponent grows in threes"),
        pytest.param("12e-1", "1200e-3", id="negative exponent"),
        pytest.param("5e0", "5", id="exponent zero"),
        pytest.param("-1.5", "-1500m", id="negative"),
        pytest.param("+2", "2", id="plus sign"),
        pytest.param("1n", "1n", id="a billionth"),
        pytest.param("0.1n", "1n", id="finer is rounded up"),
        pytest.param("-0.1n", "-1n", id="and away from zero"),
        pytest.param("1E", "1E", id="E alone is exa"),
    ],
)
def test_canonical_quantity(text: str, canonical: str) -> None:
    assert canonical_quantity(text) == canonical


@pytest.mark.parametrize(
    "text", ["", "x", "1 ", "1x", "1Kx", "--1", "1.2.3", "1k5", "1e401", "1Ki3", ".", "e3", "1\n"]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantit"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("1500m", 2, id="up"),
        pytest.param("-1500m", -2, id="away from zero"),
        pytest.param("2", 2, id="whole"),
    ],
)
def test_value_is_rounded_away_from_zero(text: str, value: int) -> None:
    assert parse_quantity(text).value == value


@given(st.integers(-(10**27), 10**27), st.sampled_from(["decimal", "exponent"]))
def test_canonical_text_reads_as_the_same_amount(nanos: int, family: str) -> None:
    quantity = Quantity(nanos, family)  # type: ignore[arg-type]
    assert parse_quantity(str(quantity)).nanos == nanos


@given(st.integers(-(2**60), 2**60))
def test_binary_text_reads_as_the_same_amount(value: int) -> None:
    assert parse_quantity(str(Quantity(value * 10**9, "binary"))).nanos == value * 10**9
