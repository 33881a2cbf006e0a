"""The provider `metronome`: it really runs, writes tones of the right length, and states how long speaking would take.

The statement is for the emulator (`workers/emulator/execution.py`): the session lasts boot + what is stated + tail, if
the notebook itself, papermill's start included, is done by then. It tells its progress item by item all that time, as
one on Kaggle does: from the end of a log that went on until then, Kavox knows that a session is over.
"""

import shutil
from pathlib import Path

import nbformat

from tests.bench.clock import BOOT, INSTALL, LOAD, Speed
from tests.bench.texts import PACE

NAME = "metronome"
ROOT = Path(__file__).parents[2]
SPARE = 2.0
"""So many of this machine's seconds before the end of its work the notebook's last line comes, for papermill to end."""

MANIFEST = f"""
name = "{NAME}"
title = "Metronome"
description = "For the bench: tones that take as long as speech."
license = "Apache-2.0"
gpu = true
machine_shape = "NvidiaTeslaT4"
hosts = ["kaggle"]
seed = false
packages = []
default_model = "tones"
default_voice = "tone"

[engine]
name = "{NAME}"
version = "1"

[[models]]
id = "tones"
title = "Tones"

[[voices]]
id = "tone"
title = "Tone"
languages = ["en"]

[[languages]]
code = "en"
title = "English"
speakable = "[A-Za-z]"

[limits]
max_text_characters = 1000
max_chunk_characters = 1000
characters_per_second = {PACE}
shortest_seconds_per_character = 0.03
longest_seconds_per_character = 0.2
longest_fixed_seconds = 1
"""

SOURCE = """
import hashlib, io, math, os, struct, time, wave
from pathlib import Path

import psutil

SECOND = b"".join(struct.pack("<h", round(9000 * math.sin(at / 3))) for at in range(RATE))

lengths = {item["id"]: len(" ".join(item["chunks"])) / PACE for item in RUN["items"]}
# Dealt out one by one, the longest first, each to the GPU that has the least to do, as qwen does.
gpus = [0.0] * GPUS
for length in sorted(lengths.values(), reverse=True):
    gpus[gpus.index(min(gpus))] += FACTOR * length
work = (START + max(gpus)) / SCALE
# The session's clock began with its runner, not when papermill was ready at last.
begun = psutil.Process(os.getppid()).create_time() + BOOT / SCALE
print("::emulator " + json.dumps({"work_seconds": work}), flush=True)


def spoken(item_id, length):
    file = io.BytesIO()
    frames = round(length * RATE)
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((SECOND * math.ceil(length))[: 2 * frames])
    Path(item_id + ".wav").write_bytes(file.getvalue())
    return {"id": item_id, "status": "succeeded", "file": item_id + ".wav", "sample_rate": RATE,
            "sha256": hashlib.sha256(file.getvalue()).hexdigest(), "duration_seconds": frames / RATE,
            "seconds": FACTOR * length, "error": None}


items = []
for item_id, length in lengths.items():
    items.append(spoken(item_id, length))
    done = len(items) / len(lengths)
    # The first is done when all is installed and loaded.
    due = (START / SCALE + done * (work - START / SCALE)) * max(0.0, 1 - SPARE / work)
    time.sleep(max(0.0, begun + due - time.time()))
    line = {"seq": len(items), "phase": "synthesizing", "item": item_id, "done": len(items), "of": len(lengths)}
    print("::kavox " + json.dumps(line), flush=True)
result = {name: RUN[name] for name in ("run_id", "provider", "model")}
result |= {"engine": {"name": "metronome", "version": "1"}, "device": "cuda", "items": items}
Path("result.json").write_text(json.dumps(result))
"""


def write_metronome(folder: Path, speed: Speed, scale: float) -> Path:
    """A folder of notebooks with this provider alone, that speaks at this speed."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "kernel-metadata.json", folder)
    (folder / f"{NAME}.toml").write_text(MANIFEST, encoding="utf-8")
    pace = {"PACE": PACE, "RATE": 8000, "START": INSTALL + LOAD, "SCALE": scale, "SPARE": SPARE, "BOOT": BOOT}
    constants = pace | {"FACTOR": speed.factor, "GPUS": speed.gpus}
    source = "\n".join(f"{name} = {value!r}" for name, value in constants.items()) + SOURCE
    parameters = nbformat.v4.new_code_cell("import json; RUN = {}", id="parameters", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(source, id="speak")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / f"{NAME}.ipynb")
    return folder
