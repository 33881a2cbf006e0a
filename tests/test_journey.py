"""The whole road: a text goes in over HTTP and comes back as speech, through every real part of the service."""

import hashlib
import io
import wave
from pathlib import Path

import pytest
import soundfile

from tests.hearing import heard, share_heard, word_error_rate, words
from tests.service import Service

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "She always drinks her coffee without any sugar.",
    "Please open the window and let the fresh air in.",
    "My brother bought seven apples at the market.",
    "The train to the city leaves at nine in the morning.",
    "We walked along the river until the sun went down.",
    "There is a small garden behind the old house.",
    "He wrote a long letter to his mother every week.",
    "The children were playing football in the street.",
    "A good teacher can change the life of a student.",
]


@pytest.mark.timeout(180)
def test_ten_texts_posted_at_once_come_back_each_as_its_own_speech(service: Service) -> None:
    """Each wav says its own text, and nearer than any of the other nine."""
    before = service.kaggle_stats()["pushes_accepted"]
    jobs = [service.submit(text) for text in SENTENCES]
    said = []
    for job in jobs:
        done = service.finished(job["id"])
        assert done["status"] == "succeeded", done["error"]
        said.append(heard(service.audio(job["id"])))
    for i, text in enumerate(SENTENCES):
        rates = [word_error_rate(said[i], words(other)) for other in SENTENCES]
        assert rates[i] <= 0.25, f"{text!r} was heard as {said[i]}"
        assert min(range(len(rates)), key=rates.__getitem__) == i
    # Two, should the first one have been claimed before the others had come.
    assert service.kaggle_stats()["pushes_accepted"] - before <= 2


def test_a_finished_job_tells_what_its_audio_is_and_where_it_was_made(service: Service) -> None:
    """Size, sha256, rate and duration are those of the file; the host says that Kaggle was emulated, and so does the
    file itself."""
    job = service.finished(service.submit("The weather is nice today.", seed=7, metadata={"page": 3})["id"])
    wav = service.audio(job["id"])
    audio = job["audio"]
    assert audio["bytes"] == len(wav)
    assert audio["sha256"] == hashlib.sha256(wav).hexdigest()
    with wave.open(io.BytesIO(wav)) as file:
        assert audio["sample_rate"] == file.getframerate() == 24_000
        assert abs(file.getnframes() / file.getframerate() - audio["duration_seconds"]) < 0.01
    with soundfile.SoundFile(io.BytesIO(wav)) as file:
        for told in ("synthetic speech", "provider=hibari", "model=hibari", "voice=heart", "host=emulator", job["id"]):
            assert told in file.comment
    assert job["run"]["host"] == "emulator"
    assert job["run"]["version"] == 1
    assert job["run"]["kernel"].startswith("emulator/kavox-")
    assert job["metadata"] == {"page": 3}
    assert job["progress"] == 1.0


def test_a_text_is_spoken_on_the_workers_own_machine_when_it_asks_for_no_gpu(service: Service) -> None:
    """`gpu: false` never reaches Kaggle."""
    before = service.kaggle_stats()["pushes_accepted"]
    job = service.finished(service.submit(SENTENCES[0], gpu=False)["id"])
    assert job["status"] == "succeeded", job["error"]
    assert job["run"]["host"] == "local"
    assert word_error_rate(heard(service.audio(job["id"])), words(SENTENCES[0])) <= 0.25
    assert service.kaggle_stats()["pushes_accepted"] == before


def test_the_same_seed_gives_the_same_audio(service: Service) -> None:
    """A seed is honoured over different runs; only the tags of the two files differ."""
    first, second = (service.submit("Once upon a time.", seed=11, gpu=gpu) for gpu in (None, False))
    files = [service.audio(service.finished(job["id"])["id"]) for job in (first, second)]
    spoken = [soundfile.read(io.BytesIO(content), dtype="int16")[0].tobytes() for content in files]
    assert spoken[0] == spoken[1]


def test_kernels_do_not_pile_up(service: Service) -> None:
    """A run that was published leaves no kernel behind."""
    job = service.finished(service.submit("Clean up after yourself.")["id"])
    slug = job["run"]["kernel"].partition("/")[2]
    assert slug not in {kernel["slug"] for kernel in service.kaggle_stats()["kernels"] if kernel["status"] != "DELETED"}


@pytest.mark.parametrize("wanted", ["mp3", "opus"])
def test_a_job_announces_the_format_that_it_was_asked_for(service: Service, wanted: str) -> None:
    """Format, size and sha256 are those of what is delivered, the sentence is heard in it, and the wav is kept too."""
    job = service.finished(service.submit(SENTENCES[1], format=wanted)["id"])
    assert job["status"] == "succeeded", job["error"]
    audio, content = job["audio"], service.audio(job["id"])
    assert (job["format"], audio["format"], audio["bytes"]) == (wanted, wanted, len(content))
    assert audio["sha256"] == hashlib.sha256(content).hexdigest()
    wav = service.http.get(audio["url"], params={"format": "wav"}).content
    assert audio["wav"] == {"sample_rate": 24_000, "bytes": len(wav), "sha256": hashlib.sha256(wav).hexdigest()}
    samples, rate = soundfile.read(io.BytesIO(content))
    again = io.BytesIO()
    soundfile.write(again, samples, rate, format="WAV", subtype="PCM_16")
    assert word_error_rate(heard(again.getvalue()), words(SENTENCES[1])) <= 0.25


SPEAKABLE = "The quick brown fox jumps over the lazy dog."


def hostile_texts(canary: Path) -> dict[str, str]:
    """Texts that break careless injection; whatever would be executed would leave the canary behind."""
    touch = f"touch {canary}"
    return {
        "quotes": f"\"'`\u201c\u2018\u00ab {SPEAKABLE} \u00bb\u2019\u201d`'\"",
        "backslashes": "\\ \\\\ \\n \\x41 \\u0041 " + SPEAKABLE + " \\",
        "triple quotes": f'"""\n{SPEAKABLE}\n"""',
        "single triple quotes": f"'''{SPEAKABLE}'''",
        "braces": f"{{{{}}}} {{x}} {SPEAKABLE} {{0}} ${{HOME}} %s",
        "newlines": f"\n\r\n\t{SPEAKABLE}\r\n\n",
        "line separators": f"\u2028{SPEAKABLE}\u2029\x85\x0b\x0c",
        "controls": f"\x00\x01\x1b[31m{SPEAKABLE}\x7f\ufeff\u200b",
        "emoji": f"\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 {SPEAKABLE} \U0001f98a",
        "right to left": f"\u0645\u0631\u062d\u0628\u0627 \u202e{SPEAKABLE}\u202c \u05e9\u05dc\u05d5\u05dd",
        "notebook": f'{{"cells": [{{"cell_type": "code", "source": "!{touch}"}}]}} {SPEAKABLE}',
        "shell": f"$({touch}) ; `{touch}` && !{touch}\n!{touch}\n%%bash\n{touch}\n{SPEAKABLE}",
        "python": f'")\nimport os; os.system("{touch}")\n# {SPEAKABLE}',
        "markup": f"<script>{touch}</script> &amp; {SPEAKABLE} ]]>",
    }


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_hostile_texts_are_spoken_and_never_executed(service: Service, tmp_path: Path) -> None:
    """Every text reaches the engine as data: its sentence is heard, and nothing in it runs."""
    canary = tmp_path / "canary"
    texts = hostile_texts(canary)
    # Long enough for many chunks; test_long_texts.py has the longest.
    texts["long"] = (SPEAKABLE + " ") * (4_990 // (len(SPEAKABLE) + 1))
    jobs = {name: service.submit(text) for name, text in texts.items()}
    for name, job in jobs.items():
        done = service.finished(job["id"], seconds=180)
        assert done["status"] == "succeeded", (name, done["error"])
        wanted = words(SPEAKABLE if name != "long" else texts[name])
        if name == "long":
            # Hearing all of it would take minutes; nobody says so much in less time.
            assert done["audio"]["duration_seconds"] > 0.5 * len(wanted) * 0.3
        else:
            said = heard(service.audio(job["id"]))
            assert share_heard(said, wanted) >= 0.7, f"{name}: heard {said}"
    assert not canary.exists()
