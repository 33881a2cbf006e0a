"""The last step of a run: its outputs become each job's own audio, or its own error."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import structlog

from app.shared.audio_store import AudioStore, audio_name
from app.shared.errors import AudioRejected, HostUnreachable
from app.shared.job import Job, JobStatus, Phase
from app.shared.provider import Provider
from app.shared.settings import Settings
from workers import outputs
from workers.kernel import KernelHost
from workers.lease import Lease
from workers.run import Run
from workers.run_logs import RunLogs
from workers.run_store import RunStore
from workers.setbacks import Setbacks
from workers.watch import Watch

log = structlog.get_logger()


class Publisher:
    """Fetches, checks and publishes. Raises what its parts raise; it can be called again for the same run."""

    def __init__(
        self,
        runs: RunStore,
        audio: AudioStore,
        setbacks: Setbacks,
        settings: Settings,
        providers: Mapping[str, Provider],
        logs: RunLogs,
    ) -> None:
        self._logs = logs
        self._providers = providers
        self._runs = runs
        self._audio = audio
        self._setbacks = setbacks
        self._settings = settings

    def publish(self, run: Run, host: KernelHost, lease: Lease) -> None:
        """Ends every job of the run, removes its kernel and closes it."""
        jobs = self._runs.jobs(run)
        with tempfile.TemporaryDirectory(prefix=f"kavox-{run.id}-") as folder:
            directory = Path(folder)
            # None are left where a worker died between ending the last one and closing the run.
            items = self._fetched(run, host, jobs, directory) if jobs else {}
            if jobs:
                self._logs.keep(run, host)
            for job in jobs:
                lease.check()
                self._publish_item(run, job, items.get(job.id), directory)
        self._setbacks.remove_kernel(run)
        self._runs.close(run)
        log.info("run published", jobs=len(jobs))

    def _fetched(self, run: Run, host: KernelHost, jobs: list[Job], directory: Path) -> dict[str, outputs.ResultItem]:
        """What the result says of each job, with the wavs that it names in `directory`."""
        ids = {job.id for job in jobs}
        try:
            result = outputs.fetch_result(host, run, directory)
            items = {item.id: item for item in result.items if item.id in ids}
            outputs.fetch_audio(host, run, items.values(), directory)
        except HostUnreachable as error:
            raise Watch(host, self._runs, self._settings).outputs_error(run, error) from None
        self._runs.record(run, show={"phase": Phase.CHECKING})
        return items

    def _publish_item(self, run: Run, job: Job, item: outputs.ResultItem | None, directory: Path) -> None:
        try:
            if item is None or item.status == "failed":
                reason = (item.error if item else None) or "no reason given"
                raise AudioRejected(f"the notebook could not speak it: {reason}", code="synthesis_failed")
            audio = outputs.checked(item, directory, job.speech, self._providers[run.provider])
        except AudioRejected as error:
            self._setbacks.fail_item(run, job, error)
            return
        # Asked again right before it counts: a worker that was stopped for long must not publish over its successor.
        self._runs.renew(run)
        self._audio.put(audio_name(job.id, audio.sha256, "wav"), audio.path)
        self._runs.settle(run, job, JobStatus.SUCCEEDED, audio=audio.view(), progress=1.0)
