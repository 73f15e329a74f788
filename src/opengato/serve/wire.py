"""Bytes as values and back: JSON, and msgpack with arrays as openpi's clients write them. Nothing is ever unpickled.

An array in msgpack is a map of `__ndarray__`, `data` (its bytes), `dtype` and `shape`, whose keys are bytes.
"""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import msgpack
import numpy as np

from opengato.serve.refused import Refused

Format = Literal["json", "msgpack"]
TYPES: dict[Format, str] = {"json": "application/json", "msgpack": "application/msgpack"}
NUMBERS = "biuf"  # kinds of dtypes that are plain numbers: neither objects nor records


def decode(data: bytes, form: Format) -> Any:
    """The value; Refused (400) says why there is none."""
    try:
        if form == "json":
            return json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        return msgpack.unpackb(data, object_hook=_array)
    except RecursionError:
        raise Refused(400, f"the {form} is nested too deep to be read") from None
    except UnicodeDecodeError as error:
        raise Refused(400, f"the {form} is no UTF-8: {error.reason} at byte {error.start}") from None
    except (ValueError, TypeError, KeyError, OverflowError, msgpack.UnpackException) as error:
        reason = str(error) or type(error).__name__
        raise Refused(400, f"received {len(data)} bytes that are no {form}: {reason[:200]}") from None


def encode(value: Any, form: Format) -> bytes:
    """The bytes of a value that may hold arrays; in JSON they are nested lists."""
    if form == "json":
        return json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False).encode()
    return msgpack.packb(value, default=_packed)


def form_of(content_type: str) -> Format:
    """The format that a header names; Refused (415) for another."""
    name = content_type.partition(";")[0].strip().lower()
    for form, known in TYPES.items():
        if name in (known, known.replace("application/", "application/x-")):
            return form
    raise Refused(415, f"received content-type {content_type!r}, expected {' or '.join(TYPES.values())}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMBERS:
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic) and value.dtype.kind in NUMBERS:
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _array(packed: dict[Any, Any]) -> Any:
    """An array or a number where a map is one of them."""
    if b"__ndarray__" in packed:
        data, dtype, shape = packed[b"data"], _dtype(packed[b"dtype"]), packed[b"shape"]
        if not isinstance(data, bytes) or not isinstance(shape, list) or len(shape) > 8:
            raise ValueError("an array needs `data` of bytes and a `shape` of at most 8 numbers")
        if any(type(size) is not int or size < 0 for size in shape):
            raise ValueError("an array's shape holds whole numbers from 0 on")
        if math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"an array of shape {shape} and dtype {dtype} does not have {len(data)} bytes")
        return np.frombuffer(data, dtype).reshape(shape)
    if b"__npgeneric__" in packed:
        return _dtype(packed[b"dtype"]).type(packed[b"data"])
    return packed


def _dtype(name: Any) -> np.dtype:
    if not isinstance(name, str) or len(name) > 8:
        raise ValueError("an array's dtype is a text such as '<f4'")
    dtype = np.dtype(name)
    if dtype.kind not in NUMBERS or dtype.subdtype is not None:
        raise ValueError(f"an array's dtype is {name!r}, expected one of numbers such as '<f4'")
    return dtype
