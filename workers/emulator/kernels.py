"""The calls of Kaggle's KernelsApiService: each takes a request's JSON and gives the response's or raises ApiError."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from workers.emulator import quota, rules, wire
from workers.emulator.auth import Account
from workers.emulator.clock import MAX_SESSION_SECONDS, Clock
from workers.emulator.datasets import DatasetsService
from workers.emulator.elsewhere import AccountState
from workers.emulator.faults import REFUSALS, STALE_VERSION
from workers.emulator.logs import log_text
from workers.emulator.models import Kernel, Session
from workers.emulator.outputs import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Signer, page_of
from workers.emulator.scripts import take_script
from workers.emulator.sessions import Sessions
from workers.emulator.store import Store

MAX_LISTED_KERNELS = 100
DEFAULT_LISTED_KERNELS = 20


class KernelsService:
    """One account's kernels.

    A new kernel may stay invisible to everything but its own push for a while: on Kaggle a read right after the first
    push is sometimes denied. How long is part of the account's state.
    """

    def __init__(
        self,
        *,
        store: Store,
        sessions: Sessions,
        datasets: DatasetsService,
        account: Account,
        clock: Clock,
        signer: Signer,
        account_state: AccountState,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._datasets = datasets
        self._account = account
        self._clock = clock
        self._signer = signer
        self._account_state = account_state

    def method(self, name: str, fault: str = "") -> Callable[[dict[str, Any]], dict[str, Any]]:
        """The implementation of a method of the service, under a fault of this kind. Raises 404 for an unknown one."""
        stale = fault == STALE_VERSION
        methods: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "SaveKernel": partial(self.save_kernel, refusal=REFUSALS.get(fault, "")),
            "GetKernel": partial(self.get_kernel, stale=stale),
            "ListKernels": self.list_kernels,
            "DeleteKernel": self.delete_kernel,
            "GetKernelSessionStatus": partial(self.session_status, stale=stale),
            "ListKernelSessionOutput": partial(self.session_output, stale=stale),
            "CancelKernelSession": self.cancel_session,
            "GetAcceleratorQuotaStatistics": self.quota_statistics,
        }
        if name not in methods:
            raise wire.not_found()
        return methods[name]

    def save_kernel(self, request: dict[str, Any], refusal: str = "") -> dict[str, Any]:
        """Saves a version and queues its run; `refusal` is that of a scripted fault."""
        now = time.time()
        rules.check_kind(request)
        rules.check_source(request.get("text") or "")
        kernel, title, slug = self._pushed_kernel(request)
        elsewhere = self._account_state.now()
        mounts, unknown = self._datasets.resolve(request.get("datasetDataSources") or [])
        gpu = bool(request.get("enableGpu"))
        self._sessions.advance_all()
        refusal = refusal or quota.refusal(self._store.sessions(), gpu, now, elsewhere)
        if refusal:
            self._store.count("push", "refused")
            return wire.refused_push(refusal)
        with self._store.transaction():
            if kernel is None:
                kernel = self._store.add_kernel(slug, title, now)
            else:
                kernel = self._store.rename_kernel(kernel, slug, title)
            session = self._add_session(kernel, request, gpu, now)
            self._sessions.prepare(session, request["text"], mounts)
        invalid = {"invalidDatasetSources": unknown, **self._invalid_sources(request)}
        return wire.accepted_push(self._account.username, kernel, session, invalid)

    def get_kernel(self, request: dict[str, Any], *, stale: bool = False) -> dict[str, Any]:
        kernel, session = self.find_session(request, stale=stale)
        newest = self._store.sessions_of(kernel.id)[-1]
        source = self._sessions.workspace(session).notebook.read_text(encoding="utf-8")
        return {
            "metadata": wire.kernel_metadata(self._account.username, kernel, session, newest),
            "blob": {"source": source, "language": "python", "kernelType": "notebook", "slug": kernel.slug},
        }

    def list_kernels(self, request: dict[str, Any]) -> dict[str, Any]:
        """The account's kernels, last run first: all for group PROFILE or the account's name, else the public ones."""
        owner = self._account.username
        mine = request.get("group") == "PROFILE" or request.get("user") == owner
        search = (request.get("search") or "").lower()
        found = []
        for kernel in self._store.kernels():
            newest = self._store.sessions_of(kernel.id)[-1]
            metadata = wire.kernel_metadata(owner, kernel, newest, newest)
            matches = search in kernel.title.lower() or search in kernel.slug
            if self._visible(kernel) and matches and (mine or not metadata["isPrivate"]):
                found.append((newest.pushed_at, metadata))
        listed = [metadata for _, metadata in sorted(found, key=lambda item: item[0], reverse=True)]
        size = min(request.get("pageSize") or DEFAULT_LISTED_KERNELS, MAX_LISTED_KERNELS)
        kernels, token = page_of(listed, size, request.get("pageToken") or "", request.get("page") or 1)
        return {"kernels": kernels, "nextPageToken": token}

    def delete_kernel(self, request: dict[str, Any]) -> dict[str, Any]:
        """Deletes a kernel with its outputs, which also ends its sessions: the one way to stop one (cli#1174)."""
        kernel = self._find_kernel(request)
        sessions = self._store.sessions_of(kernel.id)
        for session in sessions:
            self._sessions.end(session)
        self._store.delete_kernel(kernel, time.time())
        for session in sessions:
            self._sessions.remove_files(session)
        return {}

    def session_status(self, request: dict[str, Any], *, stale: bool = False) -> dict[str, Any]:
        """Real answers have these two fields only, and the message is often empty (cli#1169)."""
        _, session = self.find_session(request, stale=stale)
        status, message = self._sessions.status(session)
        return {"status": status.value, "failureMessage": message}

    def session_output(self, request: dict[str, Any], *, stale: bool = False) -> dict[str, Any]:
        """A page of an ended session's files; the log comes with the first page. Nothing while it runs."""
        _, session = self.find_session(request, stale=stale)
        names: list[str] = []
        token = log = ""
        if session.ended:
            workspace = self._sessions.workspace(session)
            size = min(request.get("pageSize") or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
            names, token = page_of(self._sessions.output_names(session), size, request.get("pageToken") or "")
            log = "" if request.get("pageToken") else log_text(workspace.log)
        return {
            "files": [{"url": self._signer.url(session.id, name), "fileName": name} for name in names],
            "log": log,
            "nextPageToken": token,
            "hasNextPageToken": bool(token),
        }

    def cancel_session(self, _: dict[str, Any]) -> dict[str, Any]:
        """No public call returns a session's id, and users report this answer (cli#1170, cli#1174)."""
        raise wire.permission_denied("kernelSessions.cancel")

    def quota_statistics(self, _: dict[str, Any]) -> dict[str, Any]:
        self._sessions.advance_all()
        return quota.statistics(self._store.sessions(), time.time(), self._account_state.now())

    def find_session(self, request: dict[str, Any], *, stale: bool = False) -> tuple[Kernel, Session]:
        """The kernel and the session, up to date, that a request names; the newest without a versionLabel.

        The label is "v" and the number; everything else is not found (cli#1200, cli#1201). `stale` as the fault.
        """
        kernel = self._find_kernel(request)
        sessions = self._store.sessions_of(kernel.id)
        label = request.get("versionLabel")
        newest = sessions[-2:][:1] if stale else sessions[-1:]
        named = [session for session in sessions if f"v{session.version}" == label] if label else newest
        if not named:
            raise wire.not_found()
        return kernel, self._sessions.advance(named[0])

    def _find_kernel(self, request: dict[str, Any]) -> Kernel:
        """A kernel that is not there looks like one of somebody else's; a deleted one is not found."""
        owner, slug = request.get("userName"), request.get("kernelSlug") or ""
        kernel = self._store.kernel(slug) if owner == self._account.username else None
        if kernel is None or not self._visible(kernel):
            raise wire.permission_denied("kernels.get")
        if kernel.deleted_at is not None:
            raise wire.not_found()
        return kernel

    def _visible(self, kernel: Kernel) -> bool:
        return time.time() >= kernel.created_at + self._account_state.now().visibility_lag_seconds

    def _pushed_kernel(self, request: dict[str, Any]) -> tuple[Kernel | None, str, str]:
        """The kernel that a push updates, or None for a new one, with the title and the slug that it will have.

        The slug follows the title: under a title that does not match its slug a push is filed at the title's address,
        and is refused where another kernel has that already.
        """
        owner, _, wanted = (request.get("slug") or "").rpartition("/")
        if owner not in {"", self._account.username}:
            raise wire.permission_denied("kernels.update")
        kernel = self._store.kernel_by_id(request["id"]) if request.get("id") else self._store.kernel(wanted)
        if kernel is not None and kernel.deleted_at is not None:
            kernel = None
        title = request.get("newTitle") or (kernel.title if kernel else "")
        rules.check_title(title)
        slug = rules.slugify(title)
        taken = self._store.kernel(slug)
        if taken is not None and taken.deleted_at is None and (kernel is None or taken.id != kernel.id):
            raise wire.ApiError(409, rules.TITLE_TAKEN)
        return kernel, title, slug

    def _add_session(self, kernel: Kernel, request: dict[str, Any], gpu: bool, now: float) -> Session:
        timeout = request.get("sessionTimeoutSeconds") or MAX_SESSION_SECONDS
        script = take_script(self._store, kernel.slug)
        session = self._store.add_session(
            kernel_id=kernel.id,
            settings={field: value for field, value in request.items() if field != "text"},
            gpu=gpu,
            pushed_at=now,
            launch_at=now + (self._clock.queue_seconds if script is None else 0.0),
            boot_seconds=self._clock.boot_seconds,
            tail_seconds=self._clock.tail_seconds,
            time_scale=self._clock.time_scale,
            limit_seconds=float(min(timeout, MAX_SESSION_SECONDS)),
        )
        if script is None:
            return session
        self._store.set_script(session.id, now, script)
        return self._store.session(session.id) or session

    def _invalid_sources(self, request: dict[str, Any]) -> dict[str, list[str]]:
        """What the notebook will run without, beside datasets; the emulator has no models or competitions."""
        own = {f"{self._account.username}/{kernel.slug}" for kernel in self._store.kernels()}
        return {
            "invalidCompetitionSources": request.get("competitionDataSources") or [],
            "invalidModelSources": request.get("modelDataSources") or [],
            "invalidKernelSources": [source for source in request.get("kernelDataSources") or [] if source not in own],
        }
