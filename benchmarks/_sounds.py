"""What simple methods reach on speech and sounds: functions for `METHODS` of `benchmarks/_baselines.py`.

Each gets the training and the held-out episodes and returns what each method reaches, in the metric of the evaluator:
`speech` word error rates, `sound_labels` accuracies. Letters: M mel bands, S and T frames of two sounds.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence

import numpy as np
from _shown import RATE, spectrum, statistics, value_of
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from opengato.core.episode import Episode
from opengato.core.sound import read_sound
from opengato.evaluators.replies import answer_of
from opengato.evaluators.speech import edits
from opengato.sources.speech import transcript

COMPARED = 30_000  # pairs of recordings at most, so that no corpus takes longer than two minutes
RECOGNISED = 100  # recordings at most that pocketsphinx hears, for the same reason
ENGLISH = ("speech/asterisk", "speech/tuxspeech-en", "speech/espeak")  # what pocketsphinx has a model of
Found = dict[str, float]


def speech(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """The sentence of the training recording that is nearest by dynamic time warping; pocketsphinx for English.

    Of large corpora, it is the nearest among those whose mean spectra and lengths are most alike.
    """
    known = [(spectrum(episode), answer_of(episode)) for episode in train]
    mean, asked = (np.stack([statistics(episode) for episode in episodes]) for episodes in (train, test))
    spread, most = mean.std(0) + 1e-6, max(1, COMPARED // len(test))
    heard = []
    for episode, one in zip(test, asked, strict=True):
        alike = np.square((mean - one) / spread).sum(1).argsort(kind="stable")[:most]
        heard.append(nearest(spectrum(episode), [known[i] for i in sorted(alike)]))
    found = {"nearest recording": word_error_rate(heard, test)}
    if test[0].task in ENGLISH and importlib.util.find_spec("pocketsphinx") is not None:
        some = test[:: -(-len(test) // RECOGNISED)]
        found["pocketsphinx" if len(some) == len(test) else f"pocketsphinx on {len(some)}"] = word_error_rate(
            recognised(some), some
        )
    return found


def sound_labels(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """Logistic regression on means and deviations of a log-mel spectrum over time."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit([statistics(episode) for episode in train], [answer_of(episode) for episode in train])
    right = model.predict([statistics(episode) for episode in test]) == [answer_of(episode) for episode in test]
    return {"spectrum + logistic regression": float(np.mean(right))}


def nearest(mine_SM: np.ndarray, known: Sequence[tuple[np.ndarray, str]]) -> str:
    return min(known, key=lambda item: warped(mine_SM, item[0]))[1]


def warped(one_SM: np.ndarray, other_TM: np.ndarray) -> float:
    """The mean distance of frames along the best monotone path [Sakoe & Chiba 1978, doi:10.1109/TASSP.1978.1163055]."""
    squares = np.square(one_SM).sum(1)[:, None] + np.square(other_TM).sum(1) - 2 * one_SM @ other_TM.T
    distance_ST = np.sqrt(np.maximum(squares, 0))
    row_T = np.cumsum(distance_ST[0])
    for distance_T in distance_ST[1:]:
        above = np.minimum(row_T, np.concatenate([[np.inf], row_T[:-1]]))
        # best[t] = distance[t] + min(above[t], best[t - 1]), all t at once: a running minimum of what the sums leave
        total_T = np.cumsum(distance_T)
        row_T = total_T + np.minimum.accumulate(above - total_T + distance_T)
    return float(row_T[-1]) / (len(one_SM) + len(other_TM))


def recognised(test: Sequence[Episode]) -> list[str]:
    """What pocketsphinx hears with the model of its package."""
    pocketsphinx = importlib.import_module("pocketsphinx")  # not among our extras: its wheel is old

    decoder, texts = pocketsphinx.Decoder(loglevel="FATAL"), []
    for episode in test:
        samples = np.round(read_sound(value_of(episode, "audio"), RATE) * 32767).astype("<i2")
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        heard = decoder.hyp()
        texts.append(transcript(heard.hypstr) if heard else "")
    return texts


def word_error_rate(texts: Sequence[str], test: Sequence[Episode]) -> float:
    true = [transcript(answer_of(episode)).split() for episode in test]
    wrong = sum(edits(text.split(), words) for text, words in zip(texts, true, strict=True))
    return wrong / sum(len(words) for words in true)
