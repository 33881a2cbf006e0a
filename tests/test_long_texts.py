"""A text as long as any may be, through the whole service and back from its audio: nothing is missing or out of order.

A recogniser hears every sentence of it. To be quick and sure it knows only the three score words that the text is made
of, in no order: which of them were said, and when, the audio alone tells it.
"""

import io
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.conftest import StartService
from tests.hearing import heard_among, words
from tests.rests import rests, steepest
from tests.service import Service, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

LONGEST = 20_000
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
WHO = ["farmer", "doctor", "teacher", "captain", "president", "soldier", "dancer", "lawyer"]
HOW = ["yellow", "purple", "wooden", "happy", "ancient", "careful", "silent", "golden"]
DID = ["carried", "discovered", "painted", "remembered", "collected", "borrowed", "delivered", "repaired"]
WHAT = ["apples", "bicycles", "candles", "potatoes", "umbrellas", "envelopes", "elephants", "telephones"]
WHERE = ["november", "hospital", "library", "mountain", "airport", "kitchen", "washington", "theater"]
VOCABULARY = sorted({*NUMBERS, *WHO, *HOW, *DID, *WHAT, *WHERE, "number", "the", "in"})
# Of a sentence's words: fewer are heard of one that is not there.
ENOUGH = 0.6


def sentences() -> list[str]:
    """As many as a text may have, each with its number and with words that its neighbours do not share."""
    chance = random.Random(20_000)  # noqa: S311  # the same text every time
    made: list[str] = []
    while len(text_of(made)) <= LONGEST:
        number = " ".join(NUMBERS[int(digit)] for digit in f"{len(made):03}")
        what = " ".join(f"{chance.choice(HOW)} {chance.choice(WHAT)}" for _ in range(30 if len(made) == 100 else 1))
        who = f"{chance.choice(HOW)} {chance.choice(WHO)}"
        made.append(f"Number {number}, the {who} {chance.choice(DID)} {what} in the {chance.choice(WHERE)}.")
    return made[:-1]


def text_of(made: Sequence[str]) -> str:
    """Paragraphs of seven sentences."""
    return "\n\n".join(" ".join(made[start : start + 7]) for start in range(0, len(made), 7))


def lost(said: Sequence[str], made: Sequence[str]) -> list[int]:
    """The sentences of which too little was heard at their place."""
    wanted = [(number, word) for number, sentence in enumerate(made) for word in words(sentence)]
    matcher = SequenceMatcher(None, said, [word for _, word in wanted], autojunk=False)
    found = [0] * len(made)
    for block in matcher.get_matching_blocks():
        for number, _ in wanted[block.b : block.b + block.size]:
            found[number] += 1
    return [number for number, sentence in enumerate(made) if found[number] < ENOUGH * len(words(sentence))]


def utterances(clip: NDArray[np.float32], rate: int) -> Iterator[NDArray[np.float32]]:
    """The clip in pieces, cut in the middle of each rest."""
    middles = [int((start + length / 2) * rate) for start, length in rests(clip, rate)]
    for start, end in pairwise([0, *middles, len(clip)]):
        yield clip[start:end]


def test_of_a_text_of_20_000_characters_every_sentence_is_heard_in_its_place(start_service: StartService) -> None:
    """Also for OpenAI's clients. Its progress is told by chunks, it rests as readers do, and no joint clicks."""
    made = sentences()
    text = text_of(made)
    assert LONGEST - 100 < len(text) <= LONGEST
    service = start_service()
    with ThreadPoolExecutor(1) as client:
        wanted = {"input": text, "model": "hibari", "voice": "heart", "response_format": "wav"}
        answer = client.submit(service.http.post, "/v1/audio/speech", json=wanted, timeout=400)
        [job] = wait_for("the job", lambda: service.http.get("/jobs").json()["jobs"])
        followed = followed_to_its_end(service, job["id"])
        assert followed[-1]["status"] == "succeeded", followed[-1]["error"]
        assert answer.result().content == service.audio(job["id"])
    assert len({one["progress"] for one in followed if 0 < one["progress"] < 1}) > 10

    clip, rate = soundfile.read(io.BytesIO(answer.result().content), dtype="float32")
    pieces = list(utterances(clip, rate))
    with ProcessPoolExecutor(2) as pool:
        heard = list(pool.map(heard_among, [VOCABULARY] * len(pieces), pieces, [rate] * len(pieces), chunksize=8))
    said = [word for piece in heard for word in piece]
    assert lost(said, made) == []

    spans = rests(clip, rate)
    assert 0.85 < max(length for _, length in spans) < 1.3
    assert steepest(clip, spans, rate) < 0.01
    assert would_notice(said, made)


def followed_to_its_end(service: Service, job_id: str) -> list[dict[str, Any]]:
    """The job as it was seen at every look, the last time when it had ended."""
    seen: list[dict[str, Any]] = []

    def ended() -> bool:
        seen.append(service.job(job_id))
        return seen[-1]["status"] in {"succeeded", "failed", "canceled"}

    wait_for("the long job to end", ended, 300)
    return seen


def would_notice(said: Sequence[str], made: Sequence[str]) -> bool:
    """Whether the same recording would be found out if the text had one sentence more, or two in each other's place."""
    for place in (0, 50, 100, 150, len(made) - 2):
        more = [*made[:place], made[place - 1], *made[place:]]
        swapped = [*made[:place], made[place + 1], made[place], *made[place + 2 :]]
        if not lost(said, more) or not lost(said, swapped):
            return False
    return True
