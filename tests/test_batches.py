"""A batch through the whole service: one file with all of its speech, and captions that say what is heard when."""

import io

import pytest
import soundfile

from tests.hearing import heard_among, share_heard, words
from tests.service import Service, wait_for

CHAPTERS = [
    "The quick brown fox jumps over the lazy dog.",
    # Long enough for two chunks of hibari's.
    " ".join(
        [
            "She always drinks her coffee without any sugar, and she reads the newspaper in the kitchen. " * 2,
            "My brother bought seven apples at the market, and he gave one of them to every child. " * 2,
            "The train to the city leaves at nine in the morning, and it is never late in the summer. " * 2,
        ]
    ),
    "We walked along the river until the sun went down.",
]


@pytest.mark.timeout(180)
def test_captions_say_what_is_heard_in_the_joined_audio(service: Service) -> None:
    """Each chunk's words are heard between its times, and not another one's."""
    batch = service.http.post("/batches", json={"items": [{"text": text} for text in CHAPTERS]}).json()
    path = batch["urls"]["self"]

    def ended() -> bool:
        found = service.http.get(path, headers={"Prefer": "wait=20"}).json()
        return found["finished_at"] is not None

    wait_for("the batch", ended, 150)
    found = service.http.get(path).json()
    assert (found["status"], found["counts"]["succeeded"]) == ("succeeded", 3), found
    joined = service.http.get(found["urls"]["audio"], params={"as": "joined", "format": "flac", "gap_seconds": 1.5})
    samples, rate = soundfile.read(io.BytesIO(joined.content), dtype="float32")
    assert len(samples) / rate == pytest.approx(found["duration_seconds"] + 3.0, abs=0.05)

    captions = service.http.get(found["urls"]["captions"], params={"format": "json", "gap_seconds": 1.5}).json()
    chunks = captions["chunks"]
    assert captions["timing"] == "measured"
    assert len(chunks) == 4
    assert " ".join(chunk["text"] for chunk in chunks).split() == " ".join(CHAPTERS).split()
    vocabulary = sorted({word for text in CHAPTERS for word in words(text)})
    texts = [words(chunk["text"]) for chunk in chunks]
    for place, chunk in enumerate(chunks):
        said = heard_among(vocabulary, samples[int(chunk["start"] * rate) : int(chunk["end"] * rate)], rate)
        shares = [share_heard(said, text) for text in texts]
        assert shares[place] > 0.6, (chunk, said)
        assert max(range(len(shares)), key=shares.__getitem__) == place
        # Nothing of its neighbours: as many words as it has itself.
        assert len(said) == pytest.approx(len(texts[place]), rel=0.25, abs=2), (chunk, said)
