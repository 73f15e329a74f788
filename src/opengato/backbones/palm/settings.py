"""What PaLM's decoder and its encoder form are both told."""

from __future__ import annotations

from dataclasses import dataclass

from opengato.backbones.stack import check_drop_path


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """`heads` of queries, each `head_width` wide whatever the `width`, share `key_heads` of keys and values.

    With as many of these as heads it is multi-head attention. `hidden` are the units of the feed-forward, in the paper
    4 `width`. `drop_path` and `recompute` are those of `PlainConfig`.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    head_width: int = 64
    key_heads: int = 1
    hidden: int = 1024
    rotary_base: float = 10_000.0
    drop_path: float = 0.0
    recompute: bool = False

    def __post_init__(self) -> None:
        if self.key_heads < 1 or self.heads % self.key_heads:
            raise ValueError(f"`heads` (={self.heads}) must be a multiple of `key_heads` (={self.key_heads})")
        if self.head_width < 2 or self.head_width % 2:
            raise ValueError(f"`head_width` is {self.head_width}, expected an even number")
        check_drop_path(self.drop_path)
