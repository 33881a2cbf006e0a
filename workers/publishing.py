"""The last step of a run: its outputs become each job's own audio, or its own error."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from app.shared.audio_formats import WAV, audio_format, kept_name
from app.shared.audio_store import AudioStore
from app.shared.conversion import keep, provenance
from app.shared.errors import AudioRejected, ConversionFailed, HostUnreachable, NotebookFailed
from app.shared.job import Job, JobStatus, Phase
from app.shared.provider import Provider
from app.shared.scratch import Scratch
from app.shared.settings import Settings
from workers import outputs
from workers.followers import Followers
from workers.kept_speech import KeptSpeech
from workers.kernel import KernelHost, KernelState
from workers.lease import Lease
from workers.run import Run, Step
from workers.run_logs import RunLogs
from workers.run_store import RunStore
from workers.verdicts import Verdicts
from workers.watch import Watch

log = structlog.get_logger()

# How many wavs are fetched before the first of them is published.
_AT_ONCE = 20


class Publisher:
    """Fetches, checks and publishes. Raises what its parts raise; it can be called again for the same run."""

    def __init__(
        self,
        *,
        runs: RunStore,
        audio: AudioStore,
        verdicts: Verdicts,
        settings: Settings,
        providers: Mapping[str, Provider],
        logs: RunLogs,
        scratch: Scratch,
        kept_speech: KeptSpeech,
        followers: Followers,
    ) -> None:
        self._kept_speech = kept_speech
        self._followers = followers
        self._scratch = scratch
        self._logs = logs
        self._providers = providers
        self._runs = runs
        self._audio = audio
        self._verdicts = verdicts
        self._settings = settings

    def publish(self, run: Run, host: KernelHost, lease: Lease) -> None:
        """Ends every job of the run, removes its kernel and closes it."""
        # None are left where a worker died between ending the last one and closing the run.
        if jobs := self._runs.jobs(run):
            with self._scratch.folder() as folder:
                self._publish_jobs(run, jobs, host, lease, folder)
            self._runs.learn_pace(run, jobs)
        self._verdicts.remove_kernel(run)
        self._runs.close(run)
        self._followers.settle(run.jobs)
        log.info("run published", jobs=len(jobs))

    def _publish_jobs(self, run: Run, jobs: list[Job], host: KernelHost, lease: Lease, directory: Path) -> None:
        """A few at a time, so that what has come is safe whatever happens to the rest."""
        try:
            result = self._result(run, host, directory)
            self._logs.keep(run, host)
            self._runs.record(run, show={"phase": Phase.CHECKING})
            items = {item.id: item for item in result.items}
            for start in range(0, len(jobs), _AT_ONCE):
                lease.check()
                self._publish_some(run, jobs[start : start + _AT_ONCE], items, host, directory)
        except HostUnreachable as error:
            raise Watch(host, self._runs, self._settings).outputs_error(run, error) from None

    def _result(self, run: Run, host: KernelHost, directory: Path) -> outputs.Result:
        """The run's result. One that is missing may be on its way: Kaggle's first word of an end is not always true."""
        try:
            return outputs.fetch_result(host, run, directory)
        except NotebookFailed:
            status = host.status(run.kernel)
            if not status.state.ended:
                self._runs.record(run, step=Step.PUSHED)
                raise HostUnreachable("the kernel was said to have ended, and is not said so any more") from None
            # Of a clock that was set back meanwhile nothing can be learnt, and it must not be waited for.
            recent = abs(time.time() - run.ended_at) < self._settings.push_visibility
            if recent and status.state is not KernelState.ERROR:
                raise HostUnreachable("the kernel has ended, and its result.json is not there yet") from None
            raise

    def _publish_some(
        self,
        run: Run,
        jobs: Sequence[Job],
        items: Mapping[str, outputs.ResultItem],
        host: KernelHost,
        directory: Path,
    ) -> None:
        unfetched: HostUnreachable | None = None
        try:
            outputs.fetch_audio(host, run, [items[job.id] for job in jobs if job.id in items], directory)
        except HostUnreachable as error:
            unfetched = error
        for job in jobs:
            path = directory / f"{job.id}.wav"
            if unfetched is None or path.is_file():
                self._publish_item(run, job, items.get(job.id), directory)
                path.unlink(missing_ok=True)
                # Something comes of it: the next attempt need not wait as if nothing did.
                if run.failures:
                    self._runs.record(run, failures=0)
        if unfetched is not None:
            raise unfetched

    def _publish_item(self, run: Run, job: Job, item: outputs.ResultItem | None, directory: Path) -> None:
        try:
            if item is None or item.status == "failed":
                reason = (item.error if item else None) or "no reason given"
                raise AudioRejected(f"the notebook could not speak it: {reason}", code="synthesis_failed")
            checked = outputs.checked(item, directory, job.speech, self._providers[run.provider])
            audio = outputs.tagged(checked, provenance(job))
            shown = self._in_format(job, audio)
        except AudioRejected as error:
            self._verdicts.fail_item(run, job, error)
            return
        except ConversionFailed as error:
            # The engine did well: speaking it again would come to the same.
            self._verdicts.fail_job(run, job, error)
            return
        # Asked again right before it counts: a worker that was stopped for long must not publish over its successor.
        self._runs.renew(run)
        self._audio.put(kept_name(job.id, audio.view(), audio_format(WAV)), audio.path)
        # Before the job has ended: from then on nobody can share its synthesis.
        self._kept_speech.keep(job, audio.view(), job.gpu_seconds)
        self._runs.settle(run, job, JobStatus.SUCCEEDED, audio=shown, progress=1.0)

    def _in_format(self, job: Job, audio: outputs.Audio) -> dict[str, Any]:
        """What the job shows of its audio; another format than wav, where it asked for one, is made and kept first."""
        wanted, view = audio_format(job.speech.format), audio.view()
        if wanted.name == WAV:
            return view
        made = audio.path.with_suffix(f".{wanted.name}")
        try:
            rate = keep(self._audio, kept_name(job.id, view, wanted), audio.path, made, wanted, provenance(job))
            return audio.view_as(wanted.name, made, rate)
        finally:
            made.unlink(missing_ok=True)
