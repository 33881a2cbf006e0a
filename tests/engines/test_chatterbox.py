"""chatterbox.ipynb on the real package with tiny checkpoints: pushed to the emulator, executed, and what it leaves.

Chatterbox has its sizes in its source, so every process of the sessions shrinks it (`tiny_chatterbox.py`), by a
`sitecustomize.py` on PYTHONPATH. That file also teaches the English model to get into trouble over certain words.
"""

import io
import json
import math
import tomllib
import wave
from array import array
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.engines.stage import HERE, NOTEBOOKS, Heard, Stage
from workers.kernel import KernelState

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

PAUSES = [0.2, 0.9, 0.4]  # between four chunks, of which the second says nothing
BANNER = "loaded PerthNet"
"""The watermarker prints it once in each process that loads the model."""

CUSTOMIZATION = """
import os
import signal

import tiny_chatterbox

HEARD = set()


def trouble():
    import torch
    from chatterbox.tts import ChatterboxTTS

    speak = ChatterboxTTS.generate

    def generate(self, text, **settings):
        if "deadly" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "memory" in text:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        wave = speak(self, text, **settings)
        if "endless" in text or ("stumbles" in text and text not in HEARD):
            wave = torch.full((1, 1000 * 960), 0.1)
        HEARD.add(text)
        return wave * 0 if "mute" in text else wave

    ChatterboxTTS.generate = generate


tiny_chatterbox.shrink_on_import(trouble)
"""
"""Over certain words the English model dies as a process does that the system ends, lacks memory, is silent, or goes on
until it is cut off, some of them the first time only."""


def item(name: str, *chunks: str, seed: int | None = None, **more: Any) -> dict[str, Any]:
    """An item as a worker makes it."""
    language, reference = more.pop("language", "en"), more.pop("reference", None)
    return {
        "id": name,
        "chunks": list(chunks or ["Good morning."]),
        "pauses": more.pop("pauses", []),
        "voice": more.pop("voice", None if reference else "default"),
        "language": language,
        "seed": seed,
        "options": more,
        "reference": reference,
    }


def recording(seconds: float) -> bytes:
    """A wav of somebody's voice: a tone that swells and fades, in stereo."""
    tone = (math.sin(n * 0.06) * math.sin(n / 24000 * math.pi / seconds) for n in range(int(seconds * 24000)))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(24000)
        out.writeframes(array("h", (int(9000 * sample) for sample in tone for _ in range(2))).tobytes())
    return file.getvalue()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("chatterbox")
    (folder / "sitecustomize.py").write_text(CUSTOMIZATION, encoding="utf-8")
    stage = Stage(folder, [folder, HERE])
    stage.make("tiny_chatterbox")
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def english(stage: Stage) -> Heard:
    """Good items and bad ones in one process."""
    voice = stage.add("narrator.wav", recording(4.0))
    items = [
        item("seven", seed=7),
        item("cloned", "A sentence.", "Another.", seed=7, reference=voice | {"transcript": None}),
        item("seven-again", seed=7),
        item("eight", seed=8),
        item("any-seed", voice=None),
        item("cloned-again", "A sentence.", "Another.", seed=7, reference=voice | {"transcript": "What I said."}),
        item("three-chunks", "Good morning.", "😀 …", "How are you?", "Well.", seed=7, pauses=PAUSES),
        item("unguided", seed=7, cfg_weight=0),
        item("excited", seed=7, exaggeration=1.5, cfg_weight=0.3, temperature=1.2),
        item("seven-after-all", seed=7),
        item("cool", seed=7, repetition_penalty=1.5, min_p=0.1, top_p=0.9),
        item("lost-recording", reference=voice | {"sha256": "0" * 64, "transcript": None}),
        item("wild", temperature=0),
        item("turbo-only", top_k=10),
        item("german", language="de"),
        item("nobody", voice="nobody"),
        item("too-long", "word " * 61),
        item("silent", "😀 …"),
        {**item("outside"), "id": "../outside"},
        {"id": "broken"},
    ]
    return stage.perform("chatterbox", items, model="english")


@pytest.fixture(scope="module")
def multilingual(stage: Stage) -> Heard:
    """Every language, in two processes."""
    voice = stage.add("narrator.wav", recording(4.0))
    items = [
        *(item(code, text, seed=7, language=code) for code, text in GREETINGS.items()),
        item("unguided", "Guten Tag.", seed=7, language="de", cfg_weight=0),
        item("cloned", "Guten Tag.", seed=7, language="de", reference=voice | {"transcript": None}),
        item("de-again", GREETINGS["de"], seed=7, language="de"),
        *(item(f"two-{n}", "Bonjour.", "Merci.", language="fr") for n in range(3)),
        item("klingon", language="tlh"),
    ]
    return stage.perform("chatterbox", items, model="multilingual", device="auto", processes=2)


GREETINGS = {
    "ar": "صباح الخير.",
    "da": "God morgen.",
    "de": "Guten Morgen.",
    "el": "Καλημέρα.",
    "en": "Good morning.",
    "es": "Buenos días.",
    "fi": "Huomenta.",
    "fr": "Bonjour.",
    "he": "בוקר טוב.",
    "hi": "सुप्रभात।",
    "it": "Buongiorno.",
    "ja": "おはようございます。",
    "ko": "안녕하세요.",
    "ms": "Selamat pagi.",
    "nl": "Goedemorgen.",
    "no": "God morgen.",
    "pl": "Dzień dobry.",
    "pt": "Bom dia.",
    "ru": "Доброе утро.",
    "sv": "God morgon.",
    "sw": "Habari.",
    "tr": "Günaydın.",  # noqa: RUF001 Turkish
    "zh": "你好。",
}


@pytest.fixture(scope="module")
def turbo(stage: Stage) -> Heard:
    """The third model, which has another checkpoint, other options, and wants longer recordings."""
    items = [
        item("seven", "Well, [chuckle] good morning.", seed=7),
        item("cloned", seed=7, reference=stage.add("long.wav", recording(5.5)) | {"transcript": None}),
        item("seven-again", "Well, [chuckle] good morning.", seed=7),
        item("narrow", seed=7, top_k=900, top_p=0.9, temperature=0.7, repetition_penalty=1.1),
        item("short-recording", reference=stage.add("short.wav", recording(5.0)) | {"transcript": None}),
        item("guided", cfg_weight=0.5),
    ]
    return stage.perform("chatterbox", items, model="turbo")


@pytest.fixture(scope="module")
def troubled(stage: Stage) -> Heard:
    """A run in one process, which dies four times."""
    items = [
        item("deadly", "This is a deadly word."),
        item("deadly-chunk", "Hello.", "One more deadly word."),
        *(item(f"good-{n}", f"Good morning, number {n}.") for n in range(4)),
        item("endless", "Never endless."),
        item("stumbles", "It stumbles here."),
        item("stumbles-seeded", "Here it stumbles.", seed=5),
        item("mute", "A mute one."),
        item("memory", "It lacks memory.", "This chunk is not even tried."),
        item("good-at-last"),
    ]
    return stage.perform("chatterbox", items, model="english")


def test_english_speaks_what_it_can(english: Heard) -> None:
    """With its own voice and a recording's, with every option, weight 0 included, in one chunk or several."""
    assert english.state is KernelState.COMPLETE, english.errors
    assert english.spoken() == {
        *("seven", "seven-again", "seven-after-all", "eight", "any-seed", "cloned", "cloned-again"),
        *("three-chunks", "unguided", "excited", "cool"),
    }
    for name in english.spoken():
        english.check(name)
        assert 0.5 < english.seconds(name) < 20
    assert english.files == {"result.json", *(f"{name}.wav" for name in english.spoken())}


def test_what_english_cannot_speak_fails_alone_and_says_why(english: Heard) -> None:
    """None of these reaches the engine."""
    assert english.failures() == {
        "lost-recording": "the recording of the voice is not among the inputs",
        "wild": "temperature must be from 0.05 to 5",
        "turbo-only": "model english has no option top_k; valid: temperature, repetition_penalty, top_p, exaggeration, "
        "cfg_weight, min_p",
        "german": "model english does not speak de; valid: en",
        "nobody": "chatterbox has no voice nobody; valid: default, or a reference",
        "too-long": "a chunk has 305 characters, at most 300 are spoken well",
        "silent": "nothing to speak",
        "../outside": "the item's id is not a plain name",
        "broken": "KeyError: 'chunks'",
    }


def test_a_cloned_voice_does_not_stick(english: Heard, multilingual: Heard, turbo: Heard) -> None:
    """After a clone, and after other options, the built-in voice sounds as it did before; so does the clone again."""
    assert english.wav("seven") == english.wav("seven-again") == english.wav("seven-after-all")
    assert english.wav("cloned") == english.wav("cloned-again")
    assert multilingual.wav("de") == multilingual.wav("de-again")
    assert turbo.wav("seven") == turbo.wav("seven-again")


def test_voice_seed_and_options_are_heard(english: Heard, multilingual: Heard) -> None:
    """Each changes the sound of the same text."""
    assert len({english.wav(name) for name in ("seven", "eight", "any-seed", "excited", "cool")}) == 5
    assert multilingual.wav("unguided") != multilingual.wav("cloned")


def test_chunks_rest_between_them_as_long_as_the_run_says(english: Heard) -> None:
    """The silence is faded into; what says nothing is left out, and of its two pauses the longer one stays."""
    samples = english.samples("three-chunks")
    runs = ((value, list(places)) for value, places in groupby(range(len(samples)), key=lambda n: samples[n] == 0))
    gaps = [(places[0], places[-1] + 1) for silent, places in runs if silent and len(places) > 4000]
    lengths = [(end - start) / 24000 for start, end in gaps]
    assert lengths == pytest.approx([0.9, 0.4], abs=0.02)
    for start, end in gaps:
        assert max(abs(sample) for sample in [*samples[start - 6 : start], *samples[end : end + 6]]) < 300


def test_multilingual_speaks_every_language_in_two_processes(multilingual: Heard) -> None:
    """All 23, a clone and weight 0 among them; a language that it has not fails alone."""
    assert multilingual.state is KernelState.COMPLETE, multilingual.errors
    assert set(multilingual.failures()) == {"klingon"}
    assert multilingual.failures()["klingon"].startswith("model multilingual does not speak tlh; valid: ar, da, de,")
    for name in multilingual.spoken():
        multilingual.check(name)
        assert multilingual.seconds(name) < 8


def test_chinese_has_its_table_without_the_network(multilingual: Heard) -> None:
    """The package would only warn, and then speak noise."""
    assert "Could not load Cangjie mapping" not in multilingual.errors


def test_turbo_speaks_with_its_own_options(turbo: Heard) -> None:
    """It needs a recording of more than five seconds, and has no weights to guide it."""
    assert turbo.state is KernelState.COMPLETE, turbo.errors
    assert turbo.spoken() == {"seven", "seven-again", "cloned", "narrow"}
    for name in turbo.spoken():
        turbo.check(name)
    assert turbo.failures() == {
        "short-recording": "the recording of the voice lasts 5.0 s, model turbo needs more than 5",
        "guided": "model turbo has no option cfg_weight; valid: temperature, repetition_penalty, top_p, top_k",
    }


def test_as_many_processes_speak_as_were_asked_for(english: Heard, multilingual: Heard, troubled: Heard) -> None:
    """One, two, and one after the other; the process of the notebook itself never loads the package."""
    assert english.errors.count(BANNER) == 1
    assert multilingual.errors.count(BANNER) == 2
    assert troubled.errors.count(BANNER) == 4  # each deadly clip has ended two, and nothing was left after the last


def test_an_item_that_ends_its_process_twice_fails_alone(troubled: Heard) -> None:
    """All the others are spoken by the next process."""
    assert troubled.state is KernelState.COMPLETE, troubled.errors
    assert troubled.spoken() == {*(f"good-{n}" for n in range(4)), "good-at-last", "stumbles"}
    for name in troubled.spoken():
        troubled.check(name)
    twice = "the process that spoke it ended twice (exit code -9)"
    failures = troubled.failures()
    assert (failures["deadly"], failures["deadly-chunk"]) == (twice, twice)
    assert failures["memory"] == "OutOfMemoryError: CUDA out of memory."


def test_a_clip_that_is_cut_off_gets_a_second_chance_unless_its_seed_was_chosen(troubled: Heard) -> None:
    """Another seed for those that named none; the wish for a seed is kept, and the clip fails."""
    failures = troubled.failures()
    assert failures["endless"] == "the speech did not come to an end within 8 s"
    assert failures["stumbles-seeded"] == "the speech did not come to an end within 8 s"
    assert failures["mute"] == "the speech is silent or damaged"


def test_the_result_has_the_agreed_fields(english: Heard, multilingual: Heard, turbo: Heard) -> None:
    """Each says which model spoke, and where."""
    for heard, model in [(english, "english"), (multilingual, "multilingual"), (turbo, "turbo")]:
        head = {key: value for key, value in heard.result.items() if key not in {"items", "run_id"}}
        engine = {"name": "chatterbox-tts", "version": "0.1.7"}
        assert head == {"provider": "chatterbox", "model": model, "engine": engine, "device": "cpu"}


def test_progress_counts_the_chunks_and_no_text_is_logged(english: Heard, multilingual: Heard, troubled: Heard) -> None:
    """Every line is numbered in order over all processes, and neither stream repeats a text."""
    for heard in (english, multilingual, troubled):
        lines = heard.progress()
        assert len(lines) == len(heard.log.splitlines())
        assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
        done = [line for line in lines if line["item"]]
        steps = [line["done"] for line in done]
        assert steps == sorted(set(steps))
        assert steps[-1] == done[-1]["of"] >= len(heard.entries)
        assert {line["item"] for line in done} == set(heard.entries)
        spoken = ("Good morning", "sentence", "stumbles here", *(text for code, text in GREETINGS.items()))
        assert not any(text in heard.log + heard.errors for text in spoken)


def test_without_the_gpu_that_was_asked_for_it_stops_at_once(stage: Stage) -> None:
    """Before anything is installed or fetched, and with a reason."""
    heard = stage.perform("chatterbox", [item("any")], model="english", device="cuda", install=True)
    assert heard.state is KernelState.ERROR
    assert "RuntimeError: the session has no GPU: Chatterbox needs one" in heard.errors
    assert heard.progress() == []


def test_without_its_watermark_it_does_not_speak(tmp_path: Path) -> None:
    """As it would be where setuptools is too new for resemble-perth, which then says nothing of its own."""
    missing = "import sys\nsys.modules['pkg_resources'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(missing + CUSTOMIZATION, encoding="utf-8")
    stage = Stage(tmp_path, [tmp_path, HERE])
    try:
        # No process gets as far as its checkpoint.
        folder = stage.inputs / "chatterbox" / "pytorch" / "default" / "1"
        folder.mkdir(parents=True)
        for name in ("ve.safetensors", "t3_cfg.safetensors", "s3gen.safetensors", "tokenizer.json", "conds.pt"):
            (folder / name).touch()
        heard = stage.perform("chatterbox", [item("any")], model="english")
    finally:
        stage.close()
    assert heard.state is KernelState.ERROR
    assert (
        "the model cannot be loaded: ImportError: resemble-perth cannot set its watermark: pip install" in heard.errors
    )
    assert heard.files == set()


def test_the_manifest_promises_what_the_notebook_does() -> None:
    """The same models, languages, options and ranges in both."""
    notebook = json.loads((NOTEBOOKS / "chatterbox.ipynb").read_text(encoding="utf-8"))
    [load] = [cell["source"] for cell in notebook["cells"] if cell["id"] == "load"]
    table = load[load.index("PROBABILITY =") : load.index("VOICE =")]
    models: dict[str, Any] = {}
    exec(table, {"Model": lambda *parts: parts}, models)  # noqa: S102 a table of our own
    manifest = tomllib.loads((NOTEBOOKS / "chatterbox.toml").read_text(encoding="utf-8"))

    assert [model["id"] for model in manifest["models"]] == list(models["MODELS"])
    for model in manifest["models"]:
        _, _, languages, options, shortest = models["MODELS"][model["id"]]
        [voice] = [voice for voice in manifest["voices"] if model["id"] in voice["models"]]
        assert set(voice["languages"]) == set(languages)
        assert model["shortest_reference_seconds"] > shortest
        promised = {
            name: (option["minimum"], option["maximum"])
            for name, option in manifest["options"].items()
            if model["id"] in option.get("models", [model["id"]])
        }
        assert promised == options


def test_the_notebook_is_seven_cells_in_canonical_form() -> None:
    """Whoever saves it again leaves no outputs, odd ids or reordered keys behind."""
    text = (NOTEBOOKS / "chatterbox.ipynb").read_text(encoding="utf-8")
    notebook = json.loads(text)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert text == json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert len(code) == 7
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
