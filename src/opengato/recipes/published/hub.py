"""Where weights are: in a folder, or on the Hugging Face hub, from where they are fetched if there is a network."""

from __future__ import annotations

import re
from pathlib import Path

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
FILES = ["config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model.bin"]


def find(name: str) -> Path:
    """The folder of a name; ValueError or FileNotFoundError for a word that is neither a folder nor a name on the hub.

    ConnectionError where the hub cannot be asked and nothing was fetched before, and says so.
    """
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    if name.startswith(("runs/", "out/", ".", "/", "~")):
        raise FileNotFoundError(f"there is no folder {name!r}; train a network first, or name another with --weights")
    if not HUB_ID.fullmatch(name):
        raise ValueError(
            f"{name!r} is no folder; expected one, or a name on the Hugging Face hub such as `owner/model`"
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            f"{name!r} is no folder here, and names on the hub need its package; run: pip install 'opengato[hub]'"
        ) from error
    try:
        return Path(snapshot_download(name, allow_patterns=FILES))
    except (OSError, ValueError) as error:  # each version has errors of its own, all of these kinds
        raise ConnectionError(
            f"{name!r} is no folder here, and could not be fetched from the hub ({type(error).__name__}); where there "
            "is no network, copy its folder here and give its path"
        ) from error
