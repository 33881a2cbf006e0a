"""The way that Kavox grew out of: one text a run, one session, a look every sixty seconds, then the next text.

Its sessions are scripted: the emulator executes nothing, and their clock is right on a busy machine as well, which for
a lone text is over before papermill may have started.
"""

import base64
import io
import time
import wave
from collections.abc import Sequence
from pathlib import Path

from tests.bench.clock import BILLED, POLLING, QUEUE
from tests.bench.figures import Figures, read_sessions
from tests.bench.texts import seconds
from tests.workers.emulator.driver import HTTP, Emulator, notebook

SLUG = "speaker"
"""Its one kernel, of which every text is a new version."""
WAV = "speech.wav"


def original_way(folder: Path, factor: float, texts: Sequence[str], scale: float) -> Figures:
    """Speaks these texts on an emulator of its own; one text is never on more than one GPU."""
    folder.mkdir(parents=True)
    emulator = Emulator(folder / "emulator").start()
    try:
        began = time.time()
        waits = [_speak(emulator, text, factor, scale) for text in texts]
        ended = time.time()
        billed = emulator.stats()["billed_seconds"] * scale
        return Figures(len(texts), (ended - began) * scale, billed, waits, read_sessions(emulator.data_dir))
    finally:
        emulator.stop()


def _speak(emulator: Emulator, text: str, factor: float, scale: float) -> float:
    """Seconds from the push to the audio."""
    running = BILLED + factor * seconds(text)
    states = ("QUEUED", QUEUE / scale), ("RUNNING", running / scale), "COMPLETE"
    emulator.script(*states, outputs={WAV: {"base64": _silence(seconds(text))}})
    pushed_at = time.time()
    answer = emulator.push(SLUG, notebook(f"TEXT = {text!r}"), enable_gpu=True, machine_shape="NvidiaTeslaT4")
    assert not answer.error, answer.error
    while (status := emulator.status(SLUG)) in {"QUEUED", "RUNNING"}:
        # The original does just that, and what it costs is what is measured.
        time.sleep(POLLING / scale)
    assert status == "COMPLETE", status
    addresses = {file.file_name: file.url for file in emulator.outputs(SLUG).files}
    assert HTTP.get(addresses[WAV]).raise_for_status().content
    return (time.time() - pushed_at) * scale


def _silence(length: float) -> str:
    """A wav of so many seconds, in base64: nobody listens to it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(2 * round(length * 8000)))
    return base64.b64encode(file.getvalue()).decode()
