"""Student's t and the beta distribution against scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from overnight.referee.distributions import beta_quantile, incomplete_beta, student_cdf, student_quantile

shapes = st.floats(0.1, 100)


@given(st.floats(-50, 50), st.floats(0.5, 200))
def test_student_cdf_is_scipy_s(t, freedom):
    assert student_cdf(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), rel=1e-8, abs=1e-13)


@given(st.floats(0.5, 0.9995), st.floats(1, 100))
def test_student_quantile_is_scipy_s(p, freedom):
    assert student_quantile(p, freedom) == pytest.approx(stats.t.ppf(p, freedom), rel=1e-8, abs=1e-12)


@given(shapes, shapes, st.floats(0, 1))
def test_incomplete_beta_is_scipy_s(a, b, x):
    assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-8, abs=1e-12)


@given(st.floats(1, 100))
def test_student_cdf_is_a_half_in_the_middle(freedom):
    assert student_cdf(0.0, freedom) == pytest.approx(0.5)


@given(st.floats(1e-4, 1 - 1e-4), st.integers(1, 200), st.integers(1, 200))
def test_beta_quantile_is_scipy_s(p, a, b):
    assert beta_quantile(p, a, b) == pytest.approx(stats.beta.ppf(p, a, b), rel=1e-8, abs=1e-12)


@given(st.floats(0.001, 0.999), st.floats(0.5, 100), st.floats(0.5, 100))
def test_beta_quantile_is_the_inverse_of_the_incomplete_beta_function(p, a, b):
    assert incomplete_beta(a, b, beta_quantile(p, a, b)) == pytest.approx(p, rel=1e-8)


@given(st.floats(0.001, 0.999), shapes, shapes)
def test_the_beta_distribution_is_the_same_from_its_other_end(p, a, b):
    assert beta_quantile(1 - p, b, a) == pytest.approx(1 - beta_quantile(p, a, b), abs=1e-9)
