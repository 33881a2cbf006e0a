"""The way that Kavox grew out of: one text a run, one session, a look every sixty seconds, then the next text."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.clock import POLLING, Speed, emulator_seconds
from tests.bench.figures import Figures, read_sessions
from tests.bench.metronome import NAME, write_metronome
from tests.workers.emulator.driver import HTTP, Emulator
from workers.notebook import inject

SLUG = "speaker"
"""Its one kernel, of which every text is a new version."""


def original_way(folder: Path, factor: float, texts: Sequence[str], scale: float) -> Figures:
    """Speaks these texts on an emulator of its own; one text is never on more than one GPU."""
    template = write_metronome(folder / "notebooks", Speed(factor, 1), scale) / f"{NAME}.ipynb"
    emulator = Emulator(folder / "emulator", dict(emulator_seconds(scale))).start()
    try:
        began = time.time()
        waits = [_speak(emulator, template, number, text, scale) for number, text in enumerate(texts)]
        seconds = (time.time() - began) * scale
        billed = emulator.stats()["billed_seconds"] * scale
        return Figures(len(texts), seconds, billed, waits, read_sessions(emulator.data_dir))
    finally:
        emulator.stop()


def _speak(emulator: Emulator, template: Path, number: int, text: str, scale: float) -> float:
    """Seconds from the push to the audio."""
    pushed_at = time.time()
    item = {"id": f"text-{number}", "chunks": [text]}
    run = {"run_id": str(number), "provider": NAME, "model": "tones", "items": [item]}
    answer = emulator.push(SLUG, inject(template, run), enable_gpu=True, machine_shape="NvidiaTeslaT4")
    assert not answer.error, answer.error
    while (status := emulator.status(SLUG)) in {"QUEUED", "RUNNING"}:
        # The original does just that, and what it costs is what is measured.
        time.sleep(POLLING / scale)
    assert status == "COMPLETE", status
    addresses = {file.file_name: file.url for file in emulator.outputs(SLUG).files}
    result = json.loads(HTTP.get(addresses["result.json"]).raise_for_status().text)
    assert HTTP.get(addresses[result["items"][0]["file"]]).raise_for_status().content
    return (time.time() - pushed_at) * scale
