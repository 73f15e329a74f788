"""Procgen's compiled library, called as its C interface `libenv` describes it; loaded with the first level.

The Python layer of the package asks for numpy < 2 and for the old `gym`, so that no extra of ours can name it; the
library asks for neither, and is all that is used.

Letters: N environments side by side.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

VERSION = 1  # of the interface
OBSERVATION, ACTION, INFO = 1, 2, 3  # its spaces
UINT8, INT32, FLOAT32 = 1, 2, 3  # its types
DTYPES = {UINT8: np.uint8, INT32: np.int32, FLOAT32: np.float32}
MAX_STATE_BYTES = 2**20
EASY = 0  # the distribution of levels
NUM_ACTIONS = 15

LIBRARY = "prebuilt/libenv.so"
INSTALL = "pip install --no-deps procgen-mirror==0.10.7"

_NAME, _SHAPE = ctypes.c_char * 128, ctypes.c_int * 16


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("name", _NAME),
        ("scalar_type", ctypes.c_int),
        ("dtype", ctypes.c_int),
        ("shape", _SHAPE),
        ("ndim", ctypes.c_int),
        ("low", ctypes.c_int32),  # a union of 4 bytes
        ("high", ctypes.c_int32),
    )


class _Option(ctypes.Structure):
    _fields_ = (("name", _NAME), ("dtype", ctypes.c_int), ("count", ctypes.c_int), ("data", ctypes.c_void_p))


class _Options(ctypes.Structure):
    _fields_ = (("items", ctypes.POINTER(_Option)), ("count", ctypes.c_int))


class _Buffers(ctypes.Structure):
    _fields_ = (
        ("observations", ctypes.POINTER(ctypes.c_void_p)),
        ("rewards", ctypes.c_void_p),
        ("firsts", ctypes.c_void_p),
        ("infos", ctypes.POINTER(ctypes.c_void_p)),
        ("actions", ctypes.POINTER(ctypes.c_void_p)),
    )


@functools.cache
def _folder() -> Path:
    """The data of the package, found without running it; ImportError says how to get it."""
    spec = importlib.util.find_spec("procgen")
    found = spec.submodule_search_locations if spec else None
    folder = Path(found[0] if found else "", "data")
    if not (folder / LIBRARY).is_file():
        raise ImportError(
            f"procgen needs the library {LIBRARY} of the package 'procgen-mirror' (for Linux on x86-64), without what "
            f"that package depends on; run: {INSTALL}"
        )
    return folder


@functools.cache
def _library() -> Any:
    library = ctypes.CDLL(str(_folder() / LIBRARY))
    handle, integer, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    library.libenv_make.restype, library.libenv_make.argtypes = handle, [integer, _Options]
    library.libenv_get_tensortypes.argtypes = [handle, integer, handle]
    library.libenv_set_buffers.argtypes = [handle, ctypes.POINTER(_Buffers)]
    for name in ("observe", "act", "close"):
        getattr(library, f"libenv_{name}").argtypes = [handle]
    library.get_state.argtypes = [handle, integer, text, integer]
    library.set_state.argtypes = [handle, integer, text, integer]
    assert library.libenv_version() == VERSION
    return library


class Levels:
    """N copies of one level of a game, stepped together. `observe` fills `rgb`, `reward_N`, `first_N`, `info`.

    `first_N` is True where the level has just begun, also again: a level that ends starts anew by itself, and
    `reward_N` is that of the step which ended it.
    """

    def __init__(self, game: str, level: int, num: int = 1) -> None:
        library = _library()
        options, self._kept = _options(game, level)
        self._handle = library.libenv_make(num, options)
        seen, seen_buffers = self._arrays(OBSERVATION, num)
        done, done_buffers = self._arrays(ACTION, num)
        self.info, info_buffers = self._arrays(INFO, num)
        self.rgb, self.action_N = seen["rgb"], done["action"]
        self.reward_N, self.first_N = np.zeros(num, np.float32), np.zeros(num, np.bool_)
        self._buffers = _Buffers(
            seen_buffers, self.reward_N.ctypes.data, self.first_N.ctypes.data, info_buffers, done_buffers
        )
        library.libenv_set_buffers(self._handle, ctypes.byref(self._buffers))
        self._state = ctypes.create_string_buffer(MAX_STATE_BYTES)
        library.libenv_observe(self._handle)

    def step(self, action_N: np.ndarray) -> None:
        """One step of each copy; the arrays show what follows."""
        self.action_N[:] = action_N
        _library().libenv_act(self._handle)
        _library().libenv_observe(self._handle)

    def state(self, index: int = 0) -> bytes:
        """All that a copy is, and will be."""
        size = _library().get_state(self._handle, index, self._state, MAX_STATE_BYTES)
        return ctypes.string_at(self._state, size)

    def restore(self, states: list[bytes]) -> None:
        """Set each copy to a state of this level."""
        for index, state in enumerate(states):
            _library().set_state(self._handle, index, state, len(state))
        _library().libenv_observe(self._handle)

    def close(self) -> None:
        """Free the copies; the arrays stay as they are."""
        if self._handle is not None:
            _library().libenv_close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        if vars(self).get("_handle") is not None:
            self.close()

    def _arrays(self, space: int, num: int) -> tuple[dict[str, np.ndarray], Any]:
        """The arrays (N, ...) of a space by name, and the pointers to each copy's part of them."""
        count = _library().libenv_get_tensortypes(self._handle, space, None)
        tensors = (_Tensor * count)()
        _library().libenv_get_tensortypes(self._handle, space, ctypes.byref(tensors))
        arrays = {}
        for tensor in tensors:
            shape = (num, *tensor.shape[: tensor.ndim])
            arrays[tensor.name.decode()] = np.zeros(shape, DTYPES[tensor.dtype])
        pointers = [array[index : index + 1].ctypes.data for array in arrays.values() for index in range(num)]
        return arrays, (ctypes.c_void_p * len(pointers))(*pointers)


def _options(game: str, level: int) -> tuple[_Options, list[Any]]:
    """The settings of one level, and what must live as long as they do."""
    settings: dict[str, int | bool | str] = {
        "env_name": game,
        "num_levels": 1,
        "start_level": level,
        "num_actions": NUM_ACTIONS,
        "use_sequential_levels": False,
        "debug_mode": 0,
        "rand_seed": 0,
        "num_threads": 0,
        "render_human": False,
        "resource_root": f"{_folder() / 'assets'}/",
        "center_agent": True,
        "use_generated_assets": False,
        "use_monochrome_assets": False,
        "restrict_themes": False,
        "use_backgrounds": True,
        "paint_vel_info": False,
        "distribution_mode": EASY,
    }
    items = (_Option * len(settings))()
    kept: list[Any] = [items]
    for item, (name, value) in zip(items, settings.items(), strict=True):
        if isinstance(value, str):
            data, item.dtype, item.count = ctypes.create_string_buffer(value.encode()), UINT8, len(value.encode())
        elif isinstance(value, bool):
            data, item.dtype, item.count = ctypes.c_uint8(value), UINT8, 1
        else:
            data, item.dtype, item.count = ctypes.c_int32(value), INT32, 1
        item.name = name.encode()
        item.data = ctypes.cast(ctypes.pointer(data), ctypes.c_void_p)
        kept.append(data)
    return _Options(items, len(settings)), kept
