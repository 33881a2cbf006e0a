"""The provider `teletype`: its audio is its text, tone by tone, so that a wrong clip is told from the right one.

Each byte of the text is two tones of 20 ms out of sixteen. A clip is as loud and as long as speech may be, so that the
ordinary checks of audio hold for it as well.
"""

import io
import shutil
import wave
from pathlib import Path

import nbformat
import numpy as np

ROOT = Path(__file__).parents[2]
RATE = 16_000
TONE_SAMPLES = 320
LOWEST_HERTZ = 400
STEP_HERTZ = 200

REFUSED = "Unspeakable"
"""A text that begins so is refused by the notebook."""
CAUSE = "the script says that nobody can speak this"
"""What the notebook gives as the reason."""

MANIFEST = """
name = "teletype"
title = "Teletype"
description = "For tests: tones that can be read back."
license = "Apache-2.0"
gpu = false
hosts = ["kaggle"]
seed = false
packages = []
default_model = "baudot"
default_voice = "tones"

[engine]
name = "teletype"
version = "1"

[[models]]
id = "baudot"
title = "Baudot"

[[voices]]
id = "tones"
title = "Tones"
languages = ["en"]

[[languages]]
code = "en"
title = "English"
speakable = "[A-Za-z]"

[limits]
max_text_characters = 1000
max_chunk_characters = 1000
characters_per_second = 25
shortest_seconds_per_character = 0.03
longest_seconds_per_character = 0.16
longest_fixed_seconds = 1
"""

SOURCE = f"""
import hashlib, io, math, struct, wave
from pathlib import Path

TONES = [
    b"".join(
        struct.pack("<h", round(12000 * math.sin(2 * math.pi * ({LOWEST_HERTZ} + {STEP_HERTZ} * tone) * at / {RATE})))
        for at in range({TONE_SAMPLES})
    )
    for tone in range(16)
]
"""

SPEAKING = """
def speech(item):
    text = " ".join(item["chunks"])
    if text.startswith(REFUSED):
        raise ValueError(CAUSE)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(b"".join(TONES[byte >> 4] + TONES[byte & 15] for byte in text.encode()))
    return file.getvalue()


def entry(item):
    nothing = {"file": None, "sha256": None, "sample_rate": None, "duration_seconds": None}
    try:
        content = speech(item)
    except ValueError as error:
        return {"id": item["id"], "status": "failed", **nothing, "seconds": 0.0, "error": str(error)}
    name = item["id"] + ".wav"
    Path(name).write_bytes(content)
    frames = (len(content) - 44) // 2
    return {"id": item["id"], "status": "succeeded", "file": name, "sha256": hashlib.sha256(content).hexdigest(),
            "sample_rate": RATE, "duration_seconds": frames / RATE, "seconds": 0.1, "error": None}


items = []
for item in RUN["items"]:
    items.append(entry(item))
    line = {"seq": len(items), "phase": "synthesizing", "item": item["id"], "done": len(items), "of": len(RUN["items"])}
    print("::kavox " + json.dumps(line), flush=True)
result = {name: RUN[name] for name in ("run_id", "provider", "model")}
result |= {"engine": {"name": "teletype", "version": "1"}, "device": "cpu", "items": items}
Path("result.json").write_text(json.dumps(result))
"""

NOTEBOOK = f"{SOURCE}\nRATE, REFUSED, CAUSE = {RATE}, {REFUSED!r}, {CAUSE!r}\n{SPEAKING}"


def write_teletype(folder: Path) -> Path:
    """A folder of notebooks with this provider alone."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "kernel-metadata.json", folder)
    (folder / "teletype.toml").write_text(MANIFEST, encoding="utf-8")
    parameters = nbformat.v4.new_code_cell("import json; RUN = {}", id="parameters", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(NOTEBOOK, id="speak")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "teletype.ipynb")
    return folder


def read_back(wav: bytes) -> str:
    """The text that a clip says. Raises ValueError for one that says none, or not clearly."""
    try:
        with wave.open(io.BytesIO(wav)) as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    except (wave.Error, EOFError) as error:
        raise ValueError(f"no wav: {error}") from None
    if form != (1, 2, RATE) or len(samples) % (2 * TONE_SAMPLES):
        raise ValueError(f"not a whole number of bytes: {form}, {len(samples)} samples")
    loudness = np.abs(np.fft.rfft(samples.reshape(-1, TONE_SAMPLES)))
    bins = (LOWEST_HERTZ + STEP_HERTZ * np.arange(16)) * TONE_SAMPLES // RATE
    tones = loudness[:, bins]
    heard = tones.argmax(axis=1)
    if not (tones.max(axis=1) > 0.9 * np.linalg.norm(loudness, axis=1)).all():
        raise ValueError("something else sounds beside the tones, or nothing at all")
    return bytes(int(high) << 4 | int(low) for high, low in heard.reshape(-1, 2)).decode()
