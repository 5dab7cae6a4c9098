"""How deep a JSON text is nested, found without a decoder."""

from itertools import repeat

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.primitives import is_nested_deeper

values = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    match value:
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
    return 0


@given(values)
def test_the_depth_is_that_of_the_value(value: object) -> None:
    text, depth = msgspec.json.encode(value), depth_of(value)
    assert not is_nested_deeper(text, depth)
    if depth:
        assert is_nested_deeper(memoryview(text), depth - 1)


@pytest.mark.parametrize("text", [b"[" * 65, b'{"a":' * 65, b'["' + b"[" * 100 + b'",' + b"[" * 64])
def test_a_text_that_ends_too_early_counts(text: bytes) -> None:
    assert is_nested_deeper(bytearray(text), 64)


@pytest.mark.parametrize("text", [b"[" + b",".join(repeat(b"[[]]", 500)) + b"]", b'["' + b"[" * 500 + b'"]', b'["\\"' + b"{" * 500 + b'"]'])
def test_many_brackets_are_not_deep(text: bytes) -> None:
    assert not is_nested_deeper(text, 64)
