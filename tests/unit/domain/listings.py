"""Price objects as the service lists them, and usages, by chance."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from neuralterm.domain.models import TokenUsage
from neuralterm.domain.money import plain

PRICES = st.one_of(
    st.sampled_from(["0", "0.0000000416666666666667", "0.00000008333333333333334", "0.00006"]),
    st.decimals(0, "0.001", places=22, allow_nan=False).map(plain),
)
_NOT_PRICED_APART = st.sampled_from([None, "", "-1"])
_PARTS = dict.fromkeys(
    ("request", "input_cache_read", "input_cache_write", "input_cache_write_1h", "internal_reasoning", "image"),
    PRICES | _NOT_PRICED_APART,
)
_TIMES = st.builds(lambda hour, minute: hour * 100 + minute, st.integers(0, 23), st.integers(0, 59))
_OVERRIDES = st.fixed_dictionaries(
    {},
    optional={
        "prompt": PRICES,
        "completion": PRICES,
        "min_prompt_tokens": st.integers(0, 300_000),
        "utc_start": _TIMES,
        "utc_end": _TIMES,
        **_PARTS,
    },
)

# Listings whose price does not depend on routing.
LISTINGS = st.fixed_dictionaries(
    {"prompt": PRICES, "completion": PRICES}, optional={"overrides": st.lists(_OVERRIDES, max_size=3), **_PARTS}
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
_COUNTS = st.integers(0, 400_000)
USAGES = st.builds(
    TokenUsage,
    prompt_tokens=_COUNTS,
    completion_tokens=_COUNTS,
    total_tokens=_COUNTS,
    reasoning_tokens=_COUNTS,
    cached_tokens=_COUNTS,
    cache_write_tokens=_COUNTS,
)
