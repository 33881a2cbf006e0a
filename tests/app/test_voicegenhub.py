"""docs/voicegenhub.md with a provider that Kaggle does not run."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
from redis import Redis

from tests.app.conftest import Place
from tests.app.stagehand import speaking
from tests.pages import blocks


def test_a_local_provider_warns_as_voicegenhub_did(
    api: httpx.Client, redis: Redis, place: Place, tmp_path: Path
) -> None:
    """`--gpu` is heard, told of in VoiceGenHub's own words, and spoken on the worker's machine all the same."""
    program = tmp_path / "synthesize.py"
    program.write_text(blocks("docs/voicegenhub.md", "python")[0], encoding="utf-8")
    with speaking(redis, place.data_dir, ["edge"]):
        ended = subprocess.run(
            [sys.executable, program, "Hello.", "--provider", "edge", "--gpu", "--output", "out.wav"],
            cwd=tmp_path,
            env={**os.environ, "KAVOX_URL": str(api.base_url), "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    assert (
        "Warning: Kaggle GPU deployment is only supported for qwen, chatterbox providers. "
        "Provider 'edge' will run locally.\n" in ended.stderr
    )
    (job,) = api.get("/jobs").json()["jobs"]
    assert (tmp_path / "out.wav").read_bytes() == api.get(job["audio"]["url"]).content
