"""qwen.ipynb on the real package with tiny checkpoints: pushed to the emulator, executed whole, and what it leaves."""

import io
import json
import math
import wave
from array import array
from itertools import groupby
from typing import Any

import pytest

from tests.engines.stage import NOTEBOOKS, PYTHON, Heard, Stage
from tests.engines.tiny_qwen import LANGUAGES, SPEAKERS
from workers.kernel import KernelState

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

PAUSES = [0.2, 0.9, 0.4]  # between four chunks, of which the second says nothing
BANNER = "flash-attn is not installed"
"""The package prints it once in each process that imports it."""

SPOKEN_LANGUAGES = [name.title() for name in LANGUAGES if "dialect" not in name]


def item(name: str, *chunks: str, voice: str | None = "ryan", seed: int | None = None, **more: Any) -> dict[str, Any]:
    """An item as a worker makes it."""
    language, reference = more.pop("language", "English"), more.pop("reference", None)
    return {
        "id": name,
        "chunks": list(chunks or ["Good morning."]),
        "pauses": more.pop("pauses", []),
        "voice": None if reference or "description" in more else voice,
        "language": language,
        "seed": seed,
        "options": more,
        "reference": reference,
    }


def recording(seconds: float = 3.0) -> bytes:
    """A wav of somebody's voice: a tone that swells and fades."""
    tone = (math.sin(n * 0.06) * math.sin(n / 24000 * math.pi / seconds) for n in range(int(seconds * 24000)))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(24000)
        out.writeframes(array("h", (int(9000 * sample) for sample in tone)).tobytes())
    return file.getvalue()


@pytest.fixture(scope="module")
def small(engines_emulator: Stage) -> Heard:
    """A run of 0.6b, good items and bad ones, in one process."""
    engines_emulator.make("tiny_qwen")
    voice = engines_emulator.add("narrator.wav", recording())
    items = [
        item("seven", seed=7),
        item("seven-again", seed=7),
        item("eight", seed=8),
        item("three-chunks", "Good morning.", "😀 …", "How are you?", "Well.", seed=7, pauses=PAUSES),
        *(item(name, voice=name) for name in SPEAKERS),
        *(item(name, "Guten Tag.", language=name) for name in SPOKEN_LANGUAGES),
        item("nobody", voice="nobody"),
        item("cool", temperature=0.5, top_k=20, top_p=0.9, repetition_penalty=1.1),
        item("cloned", "A sentence.", "Another.", reference={**voice, "transcript": "What I said there."}),
        item("cloned-sound", reference={**voice, "transcript": None}),
        item("lost-recording", reference={**voice, "sha256": "0" * 64, "transcript": None}),
        item("instructed", instruct="Very happy."),
        item("described", description="An old man."),
        item("volume", volume=11),
        item("voiceless", voice=None),
        item("silent", "😀 …"),
        {"id": "broken"},
    ]
    return engines_emulator.perform("qwen", items, model="0.6b")


@pytest.fixture(scope="module")
def large(engines_emulator: Stage) -> Heard:
    """A run of 1.7b that mixes all three ways of speaking, in two processes."""
    engines_emulator.make("tiny_qwen")
    voice = engines_emulator.add("narrator.wav", recording())
    items = [
        *(item(f"plain-{n}", "One sentence.", "And one more.") for n in range(4)),
        item("happy", seed=3, instruct="Very happy."),
        item("neutral", seed=3),
        item("old-man", description="A calm man of about sixty."),
        item("long-tale", "Once upon a time.", "The end.", seed=3, description="A young woman, whispering."),
        item("chinese", "你好世界。", voice="vivian", language="Chinese"),
        item("cloned", reference={**voice, "transcript": "What I said there."}),
        item("nobody", voice="nobody"),
    ]
    return engines_emulator.perform("qwen", items, model="1.7b", device="auto", processes=2)


def test_every_item_of_0_6b_that_can_be_spoken_is(small: Heard) -> None:
    """Nine voices, ten languages, other sampling, and clones with and without a transcript: each a sound wav."""
    assert small.state is KernelState.COMPLETE, small.errors
    wanted = {"seven", "seven-again", "eight", "three-chunks", "cool", "cloned", "cloned-sound"}
    assert small.spoken() == wanted | set(SPEAKERS) | set(SPOKEN_LANGUAGES)
    for name in small.spoken():
        small.check(name)
        assert 0.1 < small.seconds(name) < 40
    assert small.files == {"result.json", *(f"{name}.wav" for name in small.spoken())}


def test_what_0_6b_cannot_speak_fails_alone_and_says_why(small: Heard) -> None:
    """An unknown voice among good ones, options that only 1.7b has, a recording that is not there, and worse."""
    failures = small.failures()
    assert failures.pop("nobody").startswith("Unsupported speakers: ['nobody']. Supported: ['aiden', ")
    assert failures == {
        "lost-recording": "the recording of the voice is not among the inputs",
        "instructed": "model 0.6b takes neither instruct nor description, 1.7b does",
        "described": "model 0.6b takes neither instruct nor description, 1.7b does",
        "volume": "qwen has no option volume",
        "voiceless": "an item needs a voice, a description or a reference",
        "silent": "nothing to speak",
        "broken": "KeyError: 'chunks'",
    }


def test_the_result_has_the_agreed_fields(small: Heard, large: Heard) -> None:
    """Both say which model spoke, and where."""
    for heard, model in [(small, "0.6b"), (large, "1.7b")]:
        head = {key: value for key, value in heard.result.items() if key not in {"items", "run_id"}}
        engine = {"name": "qwen-tts", "version": "0.1.1"}
        assert head == {"provider": "qwen", "model": model, "engine": engine, "device": "cpu"}


def test_a_seed_gives_the_same_sound_again(small: Heard) -> None:
    """The same bytes for the same seed, among whatever other items; others for another."""
    assert small.wav("seven") == small.wav("seven-again")
    assert small.wav("seven") != small.wav("eight")


def test_chunks_rest_between_them_as_long_as_the_run_says(small: Heard) -> None:
    """The silence is faded into; what says nothing is left out, and of its two pauses the longer one stays."""
    samples = small.samples("three-chunks")
    runs = ((value, list(places)) for value, places in groupby(range(len(samples)), key=lambda n: samples[n] == 0))
    gaps = [(places[0], places[-1] + 1) for silent, places in runs if silent and len(places) > 1000]
    lengths = [(end - start) / 24000 for start, end in gaps]
    assert lengths == pytest.approx([0.9, 0.4], abs=0.02)
    for start, end in gaps:
        assert max(abs(sample) for sample in [*samples[start - 6 : start], *samples[end : end + 6]]) < 2000


def test_progress_counts_the_chunks_and_nothing_else_is_on_stdout(small: Heard, large: Heard) -> None:
    """Every line is numbered in order over all processes, and neither stream repeats a text."""
    for heard in (small, large):
        lines = heard.progress()
        assert len(lines) == len(heard.log.splitlines())
        assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
        done = [line for line in lines if line["item"]]
        steps = [line["done"] for line in done]
        assert steps == sorted(set(steps))
        assert steps[-1] == done[-1]["of"] >= len(heard.entries)
        assert {line["item"] for line in done} == set(heard.entries)
        assert not any(text in heard.log + heard.errors for text in ("morning", "Guten", "sentence", "whispering"))


def test_every_way_of_speaking_works_in_1_7b(large: Heard) -> None:
    """Voices with and without an instruction, described voices and clones, in one run and two processes."""
    assert large.state is KernelState.COMPLETE, large.errors
    assert set(large.failures()) == {"nobody"}
    for name in large.spoken():
        large.check(name)
    assert large.wav("happy") != large.wav("neutral")


def test_as_many_processes_speak_as_were_asked_for(small: Heard, large: Heard) -> None:
    """One, and two; the process of the notebook itself never loads the package."""
    assert small.errors.count(BANNER) == 1
    assert large.errors.count(BANNER) == 2


def test_without_the_gpu_that_was_asked_for_it_stops_at_once(engines_emulator: Stage) -> None:
    """Before anything is installed or fetched, and with a reason."""
    heard = engines_emulator.perform("qwen", [item("any")], model="0.6b", device="cuda", install=True)
    assert heard.state is KernelState.ERROR
    assert "RuntimeError: the session has no GPU: Qwen3-TTS needs one" in heard.errors
    assert heard.progress() == []


TROUBLE = """
import os
import signal

import numpy as np
import torch

__path__.append({real!r})
from .inference.qwen3_tts_model import Qwen3TTSModel as Engine

HEARD = set()


class Qwen3TTSModel(Engine):
    def generate_custom_voice(self, text, max_new_tokens, **settings):
        if any("deadly" in one for one in text):
            os.kill(os.getpid(), signal.SIGKILL)
        if len(text) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        waves, rate = super().generate_custom_voice(text=text, max_new_tokens=max_new_tokens, **settings)
        for place, one in enumerate(text):
            if "endless" in one or ("stumbles" in one and one not in HEARD):
                waves[place] = np.full((max_new_tokens - 1) * 1920, 0.1, np.float32)
            if "mute" in one:
                waves[place] = waves[place] * 0
        HEARD.update(text)
        return waves, rate
"""
"""Stands before the real package and lets its engine get into trouble over certain words: it dies as a process does
that the system ends, lacks memory for more than four clips, and does not find an end."""


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """A run in one process, which dies twice."""
    folder = tmp_path_factory.mktemp("trouble")
    [real] = PYTHON.parents[1].glob("lib/python3*/site-packages/qwen_tts")
    (folder / "qwen_tts").mkdir()
    (folder / "qwen_tts" / "__init__.py").write_text(TROUBLE.format(real=str(real)), encoding="utf-8")
    stage = Stage(folder, [folder])
    try:
        stage.make("tiny_qwen")
        items = [
            *(item(f"good-{n}", f"Good morning, number {n}.") for n in range(8)),
            item("deadly", "This is a deadly word."),
            item("deadly-chunk", "Hello.", "One more deadly word."),
            item("endless", "Never endless.", temperature=0.8),
            item("stumbles", "It stumbles here.", temperature=0.8),
            item("stumbles-seeded", "Here it stumbles.", seed=5),
            item("mute", "A mute one.", temperature=0.8),
        ]
        return stage.perform("qwen", items, model="0.6b")
    finally:
        stage.close()


def test_an_item_that_ends_its_process_fails_alone(troubled: Heard) -> None:
    """Those that shared its batch are spoken by the next process, those after it too."""
    assert troubled.state is KernelState.COMPLETE, troubled.errors
    assert troubled.spoken() == {*(f"good-{n}" for n in range(8)), "stumbles"}
    for name in troubled.spoken():
        troubled.check(name)
    twice = "the process that spoke it ended twice (exit code -9)"
    failures = troubled.failures()
    assert (failures["deadly"], failures["deadly-chunk"]) == (twice, twice)


def test_a_clip_without_an_end_gets_a_second_chance_unless_its_seed_was_chosen(troubled: Heard) -> None:
    """Another seed for those that named none; the wish for a seed is kept, and the clip fails."""
    failures = troubled.failures()
    assert failures["endless"].startswith("the speech did not come to an end within ")
    assert failures["stumbles-seeded"].startswith("the speech did not come to an end within ")
    assert failures["mute"] == "the speech is silent or damaged"


def test_the_notebook_is_seven_cells_in_canonical_form() -> None:
    """Whoever saves it again leaves no outputs, odd ids or reordered keys behind."""
    text = (NOTEBOOKS / "qwen.ipynb").read_text(encoding="utf-8")
    notebook = json.loads(text)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert text == json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert len(code) == 7
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
