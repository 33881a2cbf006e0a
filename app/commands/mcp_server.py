"""`kavox mcp`: the service as tools for language models, by the Model Context Protocol on stdin and stdout.

Every tool is one or two calls of the API, as any other client makes them; what the API refuses, the model reads.
"""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import anyio
from mcp.server.mcpserver import Audio, Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from app.client import ENDED, Client, Job
from app.commands import options as given
from app.commands.service import Where, running_service
from app.shared.errors import KavoxError

INSTRUCTIONS = """Kavox turns text into speech on Kaggle's free GPUs. A job takes seconds to many minutes: submit_speech
answers at once with its id, wait_for_job tells how far it is, get_audio fetches the speech of one that has succeeded.
list_voices says which providers, voices and languages there are; without any of them the service chooses."""

LONGEST_INLINE_BYTES = 1_000_000
_LOOK_SECONDS = 5
_SHOWN = (
    "id", "status", "phase", "progress", "eta_seconds", "provider", "model", "voice", "language", "format", "warnings",
    "waiting", "error", "audio", "run",
)  # fmt: skip
_OF_VOICES = ("id", "title", "provider", "languages")
_FORMATS = {"opus": "ogg", "mp3": "mpeg"}

T = TypeVar("T")
JobId = Annotated[str, Field(description="The job's id, as submit_speech gave it.")]


def serve(where: Where, folder: Path) -> None:
    """Serves the tools until stdin ends; files are written into `folder` alone. Raises WrongUsage."""
    # A model is told that it must wait, and does not hang.
    with running_service(where, rests=False) as client:
        server(client, folder).run("stdio")


def server(client: Client, folder: Path) -> MCPServer[Any]:
    """The tools, for this service."""
    tools = Tools(client, folder)
    found = MCPServer[Any](
        "kavox", title="Kavox", instructions=INSTRUCTIONS, version=version("kavox"), log_level="WARNING"
    )
    for tool in (tools.submit_speech, tools.wait_for_job, tools.list_voices, tools.cancel_job):
        found.add_tool(tool)
    found.add_tool(tools.get_audio, structured_output=False)
    return found


class Tools:
    """What a model can do with one service; `folder` takes the files that it asks for."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    async def submit_speech(
        self,
        text: Annotated[str, Field(description="What to speak.")],
        provider: Annotated[str | None, Field(description="One that list_voices names.")] = None,
        voice: Annotated[str | None, Field(description="A voice of the provider, by its id.")] = None,
        language: Annotated[str | None, Field(description="A code like en or de.")] = None,
        audio_format: Annotated[str, Field(description="wav, flac, mp3, opus or pcm.")] = "wav",
        seed: Annotated[int | None, Field(description="The same seed, the same speech.")] = None,
        options: Annotated[dict[str, Any] | None, Field(description="Settings of the engine, like speed.")] = None,
    ) -> dict[str, Any]:
        """Hand in a text to be spoken. Answers at once with the job; wait_for_job says when it is done."""
        given = {
            "text": text, "provider": provider, "voice": voice, "language": language, "format": audio_format,
            "seed": seed, "options": options,
        }  # fmt: skip
        request = {name: value for name, value in given.items() if value is not None}
        return _shown(await _asked(partial(self._client.submit, request)))

    async def wait_for_job(
        self,
        job_id: JobId,
        context: Context[Any, Any],
        seconds: Annotated[float, Field(ge=0, le=600, description="How long to wait at most.")] = 60,
    ) -> dict[str, Any]:
        """Wait until a job has ended, or for so many seconds; the job as it then is. Ask again while it has not."""
        with anyio.move_on_after(seconds):
            while True:
                job = await _asked(partial(self._client.job, job_id, wait_seconds=_LOOK_SECONDS))
                if job["status"] in ENDED:
                    return _shown(job)
                await context.report_progress(job["progress"], 1, job["phase"] or job["status"])
        return _shown(await _asked(partial(self._client.job, job_id)))

    async def get_audio(
        self,
        job_id: JobId,
        save_as: Annotated[
            str | None,
            Field(description="A new file's name, which says its format, like chapter-1.mp3; else it is answered."),
        ] = None,
        audio_format: Annotated[
            str | None, Field(description="Another format than the job's own, or than the name of the file says.")
        ] = None,
    ) -> Audio | str:
        """Fetch the speech of a job that has succeeded, as audio, or into a file that is not there yet."""
        path = None if save_as is None else _inside(self._folder, save_as)
        if path is not None:
            audio_format = _format_of(path, audio_format)
        job = await _asked(partial(self._client.job, job_id))
        if job["status"] != "succeeded":
            raise ToolError(f"there is no audio: the job is {job['status']}" + _why(job))
        content = await _asked(partial(self._client.audio, job, audio_format))
        wanted = audio_format or job["format"]
        if path is not None:
            await _asked(partial(_write_new, path, content))
            return f"{path}: {job['audio']['duration_seconds']:.1f} s of speech as {wanted}, {len(content)} bytes"
        if len(content) > LONGEST_INLINE_BYTES:
            raise ToolError(
                f"the audio has {len(content)} bytes, too many for an answer: give save_as, or mp3 as format"
            )
        return Audio(data=content, format=_FORMATS.get(wanted, wanted))

    async def list_voices(
        self,
        provider: Annotated[str | None, Field(description="Only this provider's.")] = None,
        language: Annotated[str | None, Field(description="Only those that speak it; a code like en.")] = None,
    ) -> dict[str, Any]:
        """List the voices that can be asked for, with their provider and languages."""
        found = await _asked(partial(self._client.voices, provider, language))
        return {"voices": [{name: voice[name] for name in _OF_VOICES} for voice in found]}

    async def cancel_job(self, job_id: JobId) -> dict[str, Any]:
        """Cancel a job that has not ended."""
        return _shown(await _asked(partial(self._client.cancel, job_id)))


async def _asked(call: Callable[[], T]) -> T:
    """What the service answers. Raises ToolError with what a model can do about a refusal."""
    try:
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    except KavoxError as error:
        raise ToolError(f"{error.code}: {error.advice}") from None
    except OSError as error:
        raise ToolError(f"the file cannot be written: {error.strerror}") from None


def _inside(folder: Path, name: str) -> Path:
    """The file of this name in the folder. Raises ToolError for one that would lie elsewhere."""
    path = (folder / name).resolve()
    if path.parent != folder.resolve() or not path.name:
        raise ToolError(f"save_as must be a file's name alone; it is written into {folder.resolve()}")
    return path


def _format_of(path: Path, wanted: str | None) -> str:
    """The format of a file of this name. Raises ToolError where it is none, or another than the wanted one."""
    suffix = path.suffix.removeprefix(".").lower()
    named = given.SAME_FORMATS.get(suffix, suffix)
    if named not in given.FORMATS:
        raise ToolError(f"save_as must end in .{', .'.join(given.FORMATS[:-1])} or .{given.FORMATS[-1]}")
    if wanted not in {None, named}:
        raise ToolError(f"{path.name} is no name of a file in {wanted}: end it in .{wanted}, or leave audio_format out")
    return named


def _write_new(path: Path, content: bytes) -> None:
    """Makes the file. What is there already is somebody's, whoever asks for it to be replaced."""
    try:
        with path.open("xb") as file:
            try:
                file.write(content)
                file.flush()
            except OSError:
                path.unlink()
                raise
    except FileExistsError:
        raise ToolError(f"{path.name} is already there, and is not replaced: give save_as another name") from None


def _shown(job: Job) -> dict[str, Any]:
    return {name: job[name] for name in _SHOWN}


def _why(job: Job) -> str:
    return f" ({job['error']['code']}: {job['error']['detail']})" if job["error"] else ""
