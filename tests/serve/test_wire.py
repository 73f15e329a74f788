"""JSON and msgpack: arrays as openpi's clients write them, and nothing that could hurt."""

from __future__ import annotations

import pickle

import msgpack
import numpy as np
import pytest

from opengato.serve.refused import Refused
from opengato.serve.wire import decode, encode, form_of


def packed(array: np.ndarray, **changes: object) -> bytes:
    """An array as msgpack-numpy has it, written out by hand."""
    fields = {b"__ndarray__": True, b"data": array.tobytes(), b"dtype": array.dtype.str, b"shape": array.shape}
    return msgpack.packb({"x": {**fields, **{name.encode(): value for name, value in changes.items()}}})


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "u1", "<i8", "?"])
def test_arrays_of_msgpack(dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)
    read = decode(packed(array), "msgpack")["x"]
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype
    assert encode({"x": array}, "msgpack") == packed(array)
    again = decode(encode({"x": np.float32(1.5), "y": [array]}, "msgpack"), "msgpack")
    assert again["x"] == 1.5
    np.testing.assert_array_equal(again["y"][0], array)


def test_arrays_of_json_are_nested_lists() -> None:
    value = {"x": np.array([[1, 2]], np.uint8), "y": np.float32(0.1), "z": "ü"}
    assert decode(encode(value, "json"), "json") == {"x": [[1, 2]], "y": float(np.float32(0.1)), "z": "ü"}


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "O"},
        {"dtype": "V4"},
        {"dtype": "S4"},
        {"dtype": "M8[s]"},
        {"dtype": "f4,f4"},
        {"dtype": "(2,)f4"},
        {"dtype": "nonsense"},
        {"dtype": 4},
        {"shape": [2**40, 2**40]},
        {"shape": [-1]},
        {"shape": [3]},
        {"shape": "ab"},
        {"shape": [True]},
        {"shape": [1] * 60},
        {"data": "text"},
        {"data": b""},
    ],
    ids=str,
)
def test_an_array_that_is_none_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Refused) as found:
        decode(packed(np.zeros(2, np.float32), **changes), "msgpack")
    assert found.value.status == 400


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no json"),
        (b"{", "no json"),
        (b'{"x": NaN}', "NaN is no number"),
        (b'{"x": -Infinity}', "-Infinity is no number"),
        (b"[" * 10_000 + b"]" * 10_000, "nested too deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deep"),
        (b"\xff\xfe{}", "no UTF-8"),
        (b"1" * 10_000, "no json"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_json_that_is_none(data: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        decode(data, "json")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91" * 10_000 + b"\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\x81\xa1x",
        b"\x01\x02",
        pickle.dumps({"x": 1}),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_msgpack_that_is_none(data: bytes) -> None:
    with pytest.raises(Refused):
        decode(data, "msgpack")


def test_formats_have_names() -> None:
    assert form_of("application/json; charset=utf-8") == "json"
    assert form_of("application/x-msgpack") == "msgpack"
    with pytest.raises(Refused, match="text/plain") as found:
        form_of("text/plain")
    assert found.value.status == 415
