"""`kavox demo`: the whole road in one command, and nothing left behind."""

import wave
from pathlib import Path

from tests.stack.processes import kavox


def test_speaks_and_leaves_only_the_wav(tmp_path: Path) -> None:
    """The text becomes a wav; the last line names the file, its length, the voice and the host."""
    folder = tmp_path / "here"
    folder.mkdir()

    ended = kavox(folder, "demo", "--output", "demo.wav", "--", "The quick brown fox.", DATA_DIR=tmp_path / "unused")

    assert ended.returncode == 0, ended.stderr
    with wave.open(str(folder / "demo.wav")) as audio:
        seconds = audio.getnframes() / audio.getframerate()
    assert ended.stdout.startswith(f"demo.wav: {seconds:.1f} s of speech, hibari with voice ")
    assert "emulator: spoken by hibari on this machine's CPU; took " in ended.stdout
    assert [path.name for path in folder.iterdir()] == ["demo.wav"]
    assert not (tmp_path / "unused").exists()
