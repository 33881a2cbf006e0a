"""hibari.ipynb keeps the notebook contract: executed once, on the local host, with good items and bad ones."""

import hashlib
import json
import wave
from io import BytesIO
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.rests import OWN, rests, steepest
from workers.kernel import KernelState, Push
from workers.local import LocalHost
from workers.notebook import inject

HIBARI = Path(__file__).parents[2] / "notebooks" / "hibari.ipynb"
REST_SECONDS = 0.5  # the notebook's silence between two chunks, where the run does not say how long

ITEMS: list[dict[str, Any]] = [
    {"id": item_id, "chunks": chunks, "voice": "heart", "language": "en", "seed": seed, "reference": None}
    | {"options": options}
    for item_id, chunks, seed, options in [
        ("one", ["The first part."], 7, {}),
        ("again", ["The first part."], 7, {}),
        ("other-seed", ["The first part."], 8, {}),
        ("any-seed", ["The first part."], None, {}),
        ("two", ["The first part.", "...", "And the second one."], 7, {}),
        ("second", ["And the second one."], 7, {}),
        ("slow", ["The first part."], 7, {"speed": 0.5}),
        ("long", ["word " * 400], 7, {}),
        ("odd", ["Item ⑴ costs " + "7" * 60], 7, {}),
        ("silent", ["😀 ... مرحبا"], 7, {}),
        ("joints", ["We like the old", "house,", "and you too.", "Good.", "A new day."], 7, {}),
        ("unequal", ["The first part.", "The second one."], 7, {}),
        ("too-fast", ["The first part."], 7, {"speed": 9}),
        ("../outside", ["The first part."], 7, {}),
    ]
] + [{"id": "broken"}]
PAUSES = {"two": [], "joints": [0.0, 0.2, 0.5, 0.9], "unequal": [0.5, 0.5]}
ITEMS = [item | ({"pauses": PAUSES[item["id"]]} if item["id"] in PAUSES else {}) for item in ITEMS]
STEPS = [len(item.get("chunks", "x")) for item in ITEMS]

SPOKEN = ["one", "again", "other-seed", "any-seed", "two", "second", "slow", "long", "odd", "joints"]


class Spoken:
    """What one run of hibari.ipynb has left."""

    def __init__(self, folder: Path) -> None:
        run = {"run_id": "run-1", "provider": "hibari", "model": "hibari", "device": "auto", "install": False}
        source = inject(HIBARI, run | {"items": ITEMS})
        self.host = LocalHost(folder / "kernels")
        self.kernel = self.host.push(Push("kavox-run-1", source, gpu=False, machine_shape=None, timeout_seconds=90))
        self.log = list(self.host.stream_log(self.kernel))
        self.files = {path.name for path in (folder / "kernels" / self.kernel.slug / "work").iterdir()}
        self.host.download(self.kernel, self.files, folder)
        self.result = json.loads((folder / "result.json").read_text())
        self.entries = {entry["id"]: entry for entry in self.result["items"]}
        self.wavs = {name: (folder / f"{name}.wav").read_bytes() for name in SPOKEN}

    def seconds(self, name: str) -> float:
        return float(self.entries[name]["duration_seconds"])

    def samples(self, name: str) -> memoryview:
        with wave.open(BytesIO(self.wavs[name])) as file:
            return memoryview(file.readframes(file.getnframes())).cast("h")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    return Spoken(tmp_path_factory.mktemp("hibari"))


def test_hibari_is_seven_cells_under_headings_in_one_canonical_form() -> None:
    """Whoever saves the notebook again leaves no outputs, odd ids or reordered keys behind."""
    text = HIBARI.read_text(encoding="utf-8")
    notebook = json.loads(text)
    headings, cells = notebook["cells"][::2], notebook["cells"][1::2]

    assert text == json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert [cell["id"] for cell in cells] == [
        "parameters",
        "environment",
        "install",
        "load",
        "generate",
        "save",
        "clean-up",
    ]
    assert [cell["cell_type"] for cell in headings] == ["markdown"] * 7
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)


def test_hibari_says_how_each_item_went(spoken: Spoken) -> None:
    """Bad items fail with a reason and every other one succeeds; nothing but wavs and result.json is left."""
    assert spoken.host.status(spoken.kernel).state is KernelState.COMPLETE
    assert [entry["id"] for entry in spoken.result["items"]] == [item["id"] for item in ITEMS]
    assert [entry["id"] for entry in spoken.result["items"] if entry["status"] == "succeeded"] == SPOKEN
    assert {name: entry["error"] for name, entry in spoken.entries.items() if entry["status"] == "failed"} == {
        "silent": "nothing to speak",
        "unequal": "there must be a pause between each two chunks",
        "too-fast": "speed must be from 0.5 to 2.0",
        "../outside": "the item's id is not a plain name",
        "broken": "KeyError: 'voice'",
    }
    assert spoken.files == {"result.json"} | {f"{name}.wav" for name in SPOKEN}


def test_hibari_keeps_the_contract_of_result_json(spoken: Spoken) -> None:
    """result.json has exactly the agreed fields."""
    head = {key: value for key, value in spoken.result.items() if key != "items"}
    engine = {"name": "hibari-tts", "version": "0.2.1"}
    assert head == {"run_id": "run-1", "provider": "hibari", "model": "hibari", "engine": engine, "device": "cpu"}
    fields = {"id", "status", "file", "sha256", "sample_rate", "duration_seconds", "chunks", "seconds", "error"}
    assert all(set(entry) == fields for entry in spoken.result["items"])


@pytest.mark.parametrize("name", SPOKEN)
def test_hibari_delivers_what_it_names(spoken: Spoken, name: str) -> None:
    """Each file is the 24 kHz mono PCM_16 wav, the sum and the duration that result.json says, and not silent."""
    entry = spoken.entries[name]
    with wave.open(BytesIO(spoken.wavs[name])) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
        assert entry["duration_seconds"] == file.getnframes() / 24000
    assert (entry["file"], entry["sample_rate"], entry["error"]) == (f"{name}.wav", 24000, None)
    assert entry["sha256"] == hashlib.sha256(spoken.wavs[name]).hexdigest()
    assert max(spoken.samples(name)) > 1000


def test_hibari_honours_the_seed(spoken: Spoken) -> None:
    """The same seed gives the same bytes, another one does not."""
    assert spoken.wavs["one"] == spoken.wavs["again"]
    assert len({spoken.wavs["one"], spoken.wavs["other-seed"], spoken.wavs["any-seed"]}) == 3


def test_hibari_rests_between_chunks_for_as_long_as_the_run_says(spoken: Spoken) -> None:
    """Its own silence does not count, so a cut within a sentence is not heard; a chunk without sound adds none."""
    lengths = [length for _, length in rests(spoken.samples("joints"))]
    assert lengths == pytest.approx([seconds + 2 * OWN for seconds in PAUSES["joints"][1:]], abs=0.05)
    assert [length for _, length in rests(spoken.samples("two"))] == pytest.approx([REST_SECONDS + 2 * OWN], abs=0.05)


def test_hibari_tells_when_each_chunk_is_heard(spoken: Spoken) -> None:
    """One after the other up to the end, with the rests between them; a chunk without sound takes no time."""
    entry = spoken.entries["joints"]
    chunks = entry["chunks"]
    gaps = [after["start"] - before["end"] for before, after in pairwise(chunks)]
    assert gaps == pytest.approx(PAUSES["joints"], abs=0.002)
    assert (chunks[0]["start"], chunks[-1]["end"]) == (0, pytest.approx(entry["duration_seconds"], abs=0.001))
    assert spoken.entries["two"]["chunks"][1]["start"] == spoken.entries["two"]["chunks"][1]["end"]
    assert spoken.entries["too-fast"]["chunks"] is None


def test_hibari_joins_chunks_without_a_click(spoken: Spoken) -> None:
    """Wherever it rests, and at both ends, the samples hardly move."""
    samples = spoken.samples("joints")
    ends = [(0.0, 0.03), (len(samples) / 24000 - 0.03, 0.03)]
    assert steepest(samples, [*ends, *rests(samples)]) < 0.005


def test_hibari_honours_the_speed(spoken: Spoken) -> None:
    """Half the speed takes about twice as long."""
    assert spoken.seconds("slow") == pytest.approx(2 * spoken.seconds("one"), rel=0.15)


def test_hibari_reports_progress_without_the_text(spoken: Spoken) -> None:
    """Each progress line is numbered, counts up to all chunks of all items, and nothing on stdout repeats a text."""
    lines = "".join(record.text for record in spoken.log if record.stream == "stdout").splitlines()
    assert all(line.startswith("::kavox ") for line in lines)
    reports = [json.loads(line.removeprefix("::kavox ")) for line in lines]

    assert [report["seq"] for report in reports] == list(range(1, len(reports) + 1))
    assert {report["phase"] for report in reports[1:]} == {"synthesizing"}
    ends = {report["item"]: report["done"] for report in reports[2:]}
    assert ends == dict(zip([item["id"] for item in ITEMS], accumulate(STEPS), strict=True))
    assert [report["done"] for report in reports if report["item"] == "joints"] == [
        ends["joints"] - len(PAUSES["joints"]) + step for step in range(len(PAUSES["joints"]) + 1)
    ]
    assert {report["of"] for report in reports} == {sum(STEPS)}
    assert not any("part" in line for line in lines)
