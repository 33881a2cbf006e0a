"""`kavox mcp` as a language model's program uses it: the SDK's own client, over stdin and stdout."""

import asyncio
import base64
import io
from pathlib import Path
from typing import Any

import soundfile
from mcp import Client, StdioServerParameters

from tests.service import KAVOX, Service
from tests.stack.processes import clean_environment


def test_a_model_has_a_text_spoken_waits_and_gets_the_audio(service: Service, tmp_path: Path) -> None:
    """In the answer and in a new file of the folder; a refusal says what to do, and nothing else is written."""
    asyncio.run(_converse(service, tmp_path))

    assert {file.name for file in tmp_path.iterdir()} == {".env", "mine.wav", "out.mp3", "out.ogg"}


async def _converse(service: Service, folder: Path) -> None:
    environment = clean_environment(folder, URL=service.url)
    server = StdioServerParameters(command=str(KAVOX), args=["mcp"], env=environment, cwd=folder)
    async with Client(server) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"submit_speech", "wait_for_job", "get_audio", "list_voices", "cancel_job"}

        async def answer(name: str, *, well: bool = True, **arguments: Any) -> Any:
            answered = await client.call_tool(name, arguments)
            assert answered.is_error is not well, answered
            return answered

        async def told(name: str, **arguments: Any) -> Any:
            return (await answer(name, **arguments)).structured_content

        async def refusal(name: str, **arguments: Any) -> str:
            return str((await answer(name, well=False, **arguments)).content[0].text)

        voices = (await told("list_voices", language="en"))["voices"]
        assert ("hibari", "heart") in {(voice["provider"], voice["id"]) for voice in voices}
        job = await told("submit_speech", text="A model asked for this.", voice="heart", audio_format="flac")
        assert "there is no audio: the job is" in await refusal("get_audio", job_id=job["id"])
        done = await told("wait_for_job", job_id=job["id"], seconds=60)
        assert (done["status"], done["run"]["host"]) == ("succeeded", "emulator")

        [audio] = (await answer("get_audio", job_id=job["id"])).content
        assert audio.mime_type == "audio/flac"
        assert soundfile.info(io.BytesIO(base64.b64decode(audio.data))).duration > 1
        await answer("get_audio", job_id=job["id"], save_as="out.mp3")
        await answer("get_audio", job_id=job["id"], save_as="out.ogg", audio_format="opus")
        assert soundfile.info(folder / "out.mp3").format == "MP3"
        assert soundfile.info(folder / "out.ogg").subtype == "OPUS"

        (folder / ".env").write_text("KAVOX_WORKERS=2\n")
        (folder / "mine.wav").write_text("This is mine.")
        assert "must end in .wav" in await refusal("get_audio", job_id=job["id"], save_as=".env")
        assert "end it in .flac" in await refusal("get_audio", job_id=job["id"], save_as="a.wav", audio_format="flac")
        assert "give save_as another name" in await refusal("get_audio", job_id=job["id"], save_as="mine.wav")
        assert (folder / ".env").read_text() + (folder / "mine.wav").read_text() == "KAVOX_WORKERS=2\nThis is mine."

        assert "a file's name alone" in await refusal("get_audio", job_id=job["id"], save_as="../out.wav")
        assert "unknown_voice" in await refusal("submit_speech", text="Hello.", voice="nobody")
        assert "job_not_found" in await refusal("wait_for_job", job_id="none")
        assert (await told("cancel_job", job_id=job["id"]))["status"] == "succeeded"
