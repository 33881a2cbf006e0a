"""The provider `mimic`: it gives the recording that it is told to speak like, as it finds it, or a beep.

A text with one of these words goes wrong: `refused` is never spoken, `moody` only with a seed, and at `deadly` the
notebook's process dies with everything that it was to speak.
"""

import shutil
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]

MANIFEST = """
name = "mimic"
title = "Mimic"
description = "For tests: says what it hears."
license = "Apache-2.0"
gpu = false
hosts = ["kaggle", "local"]
seed = true
packages = []
default_model = "parrot"
default_voice = "beep"

[engine]
name = "mimic"
version = "1"

[[models]]
id = "parrot"
title = "Parrot"
clones = true

[[voices]]
id = "beep"
title = "Beep"
languages = ["en"]

[[languages]]
code = "en"
title = "English"
speakable = "[A-Za-z]"

[limits]
max_text_characters = 1000
max_chunk_characters = 300
characters_per_second = 15
shortest_seconds_per_character = 0
longest_seconds_per_character = 60
longest_fixed_seconds = 60
"""

SOURCE = """
import hashlib, io, math, os, signal, struct, wave
from pathlib import Path


def beep():
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(n / 9))) for n in range(16000)))
    return file.getvalue()


def speech(item):
    reference, text = item["reference"], " ".join(item["chunks"])
    if "deadly" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    if "refused" in text or ("moody" in text and item["seed"] is None):
        raise ValueError("not in the mood")
    if reference is None:
        return beep()
    for path in Path(os.environ["KAGGLE_INPUT_DIR"]).rglob(reference["file"]):
        if hashlib.sha256(path.read_bytes()).hexdigest() == reference["sha256"]:
            return path.read_bytes()
    raise ValueError("the recording is not there")


items = []
for item in RUN["items"]:
    progress = {"seq": len(items), "phase": "synthesizing", "item": item["id"], "done": len(items), "of": 99}
    print("::kavox " + json.dumps(progress), flush=True)
    try:
        content = speech(item)
    except ValueError as error:
        items.append({"id": item["id"], "status": "failed", "error": str(error)})
        continue
    Path(item["id"] + ".wav").write_bytes(content)
    with wave.open(io.BytesIO(content)) as file:
        rate, frames = file.getframerate(), file.getnframes()
    sha256 = hashlib.sha256(content).hexdigest()
    items.append({"id": item["id"], "status": "succeeded", "file": item["id"] + ".wav", "sha256": sha256,
                  "sample_rate": rate, "duration_seconds": frames / rate, "seconds": 0.1, "error": None})
result = {name: RUN[name] for name in ("run_id", "provider", "model")}
result |= {"engine": {"name": "mimic", "version": "1"}, "device": "cpu", "items": items}
Path("result.json").write_text(json.dumps(result))
"""


def write_mimic(folder: Path, *, gpu: bool = False, with_gpu: bool = False) -> Path:
    """A folder of notebooks with this provider alone, which wants a `gpu` or none.

    `with_gpu`: beside it its double `mimic-gpu`, which wants one.
    """
    folder.mkdir()
    shutil.copy(ROOT / "notebooks" / "kernel-metadata.json", folder)
    # Only a GPU has a shape.
    on_gpu = MANIFEST.replace("gpu = false", 'gpu = true\nmachine_shape = "NvidiaTeslaT4"')
    (folder / "mimic.toml").write_text(on_gpu if gpu else MANIFEST, encoding="utf-8")
    if with_gpu:
        double = on_gpu.replace('name = "mimic"', 'name = "mimic-gpu"', 1)
        (folder / "mimic-gpu.toml").write_text(double, encoding="utf-8")
    parameters = nbformat.v4.new_code_cell("import json; RUN = {}", id="parameters", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(SOURCE, id="speak")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for manifest_file in folder.glob("*.toml"):
        nbformat.write(notebook, manifest_file.with_suffix(".ipynb"))
    return folder
