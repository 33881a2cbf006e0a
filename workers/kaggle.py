"""KernelHost over kagglesdk: Kaggle's request objects over its own HTTP client (`kaggle_client.py`).

What its errors mean stands in `kaggle_errors.py`; datasets are in `kaggle_datasets.py`.
"""

import random
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kagglesdk.kernels.services.kernels_api_service import KernelsApiClient
from kagglesdk.kernels.types.kernels_api_service import (
    ApiDeleteKernelRequest,
    ApiGetKernelRequest,
    ApiGetKernelSessionLogsStreamRequest,
    ApiGetKernelSessionStatusRequest,
    ApiListKernelSessionOutputRequest,
    ApiListKernelsRequest,
    ApiSaveKernelRequest,
    ApiSaveKernelResponse,
)
from kagglesdk.kernels.types.kernels_enums import KernelExecutionType, KernelsListViewType, KernelWorkerStatus

from app.shared.errors import HostUnreachable, InputsMissing, KavoxError, PushRefused, PushUncertain
from app.shared.kaggle_credentials import KaggleCredentials
from workers import downloads
from workers.bodies import pieces
from workers.kaggle_client import KaggleClient
from workers.kaggle_errors import UNREADABLE, message, push_error, read_error, refusal, retry_after, status_code
from workers.kernel import Kernel, KernelState, KernelStatus, LogRecord, Push
from workers.kernel_log import parse_array, parse_events
from workers.kernel_metadata import KernelMetadata

_STATES = {
    KernelWorkerStatus.QUEUED: KernelState.QUEUED,
    KernelWorkerStatus.NEW_SCRIPT: KernelState.QUEUED,
    KernelWorkerStatus.RUNNING: KernelState.RUNNING,
    # Kaggle is still saving the outputs.
    KernelWorkerStatus.CANCEL_REQUESTED: KernelState.RUNNING,
    KernelWorkerStatus.COMPLETE: KernelState.COMPLETE,
    KernelWorkerStatus.ERROR: KernelState.ERROR,
    KernelWorkerStatus.CANCEL_ACKNOWLEDGED: KernelState.CANCELED,
}
_PAGE_SIZE = 500
_LISTED_KERNELS = 100
_FETCH_ATTEMPTS = 3
_FETCH_PAUSE_SECONDS = 0.5
_FETCHERS = 4
# The log stream of one session; Kaggle ends sessions after 12 hours.
_LONGEST_SESSION_SECONDS = 13 * 3600.0
# Of output listings; a notebook that leaves more files than fit is none of ours.
_MOST_PAGES = 200


class KaggleHost:
    """Kaggle, or the emulator at `url`."""

    def __init__(
        self,
        *,
        name: str,
        credentials: KaggleCredentials,
        owner: str | None,
        metadata: KernelMetadata,
        timeout_seconds: float,
        url: str | None = None,
    ) -> None:
        self.name = name
        self.client = KaggleClient(credentials=credentials, owner=owner, timeout_seconds=timeout_seconds, url=url)
        self._metadata = metadata

    def push(self, push: Push) -> Kernel:
        owner = self.account()
        request = ApiSaveKernelRequest()
        request.slug = f"{owner}/{push.slug}"
        # Kaggle files a kernel under its title's slug, so the title must turn into this very slug.
        request.new_title = push.slug.replace("-", " ")
        request.text = push.notebook
        request.language = self._metadata.language
        request.kernel_type = self._metadata.kernel_type
        request.is_private = self._metadata.is_private
        request.enable_internet = self._metadata.enable_internet
        request.dataset_data_sources = list(push.datasets)
        request.enable_gpu = push.gpu
        if push.gpu and push.machine_shape:
            request.machine_shape = push.machine_shape
        request.session_timeout_seconds = push.timeout_seconds
        request.kernel_execution_type = KernelExecutionType.SAVE_AND_RUN_ALL
        try:
            with self.client.sending_until(push.not_after):
                response = self._kernels.save_kernel(request)
        except UNREADABLE as error:
            raise push_error(error) from None
        return self._accepted(response, push)

    def find(self, slug: str) -> Kernel | None:
        request = ApiGetKernelRequest()
        request.user_name, request.kernel_slug = self.account(), slug
        try:
            found = self._kernels.get_kernel(request).metadata
        except UNREADABLE as error:
            # Kaggle denies a kernel that is new, of somebody else or not there with the same 403.
            if status_code(error) not in {403, 404}:
                raise read_error(error) from None
            found = None
        if found is not None and found.ref:
            # The property would turn an answer without this field into "public".
            return self._kernel(slug, found.current_version_number, private=found._is_private)
        listed = self._listed(slug)
        return self._kernel(slug, listed.current_version_number) if listed is not None else None

    def slugs(self, prefix: str) -> set[str]:
        found: set[str] = set()
        page_token, seen = "", set[str]()
        while page_token not in seen:
            seen.add(page_token)
            # Kaggle searches titles, in which the dashes are blanks.
            page = self._list(prefix.replace("-", " ").strip(), page_token)
            found |= {slug for kernel in page.kernels or [] if (slug := _slug(kernel)).startswith(prefix)}
            page_token = page.next_page_token or ""
        return found

    def status(self, kernel: Kernel) -> KernelStatus:
        request = ApiGetKernelSessionStatusRequest()
        request.kernel_slug, request.version_label = kernel.slug, _label(kernel)
        try:
            request.user_name = self.account()
            response = self._kernels.get_kernel_session_status(request)
        except KavoxError as error:
            return KernelStatus(KernelState.UNREADABLE, error.detail)
        except UNREADABLE as error:
            return KernelStatus(KernelState.UNREADABLE, message(error), retry_after(error))
        return KernelStatus(_STATES.get(response.status, KernelState.UNREADABLE), response.failure_message or "")

    def stream_log(self, kernel: Kernel) -> Iterator[LogRecord]:
        request = ApiGetKernelSessionLogsStreamRequest()
        request.user_name, request.kernel_slug = self.account(), kernel.slug
        request.version_label = _label(kernel)
        try:
            with self._kernels.get_kernel_session_logs_stream(request) as response:
                if "text/event-stream" in response.headers.get("Content-Type", ""):
                    yield from parse_events(pieces(response, _LONGEST_SESSION_SECONDS))
                else:
                    yield from parse_array(response.content.decode("utf-8", "replace"))
        except UNREADABLE as error:
            raise read_error(error) from None

    def log(self, kernel: Kernel) -> list[LogRecord]:
        return parse_array(self._outputs(kernel, page_token="").log or "")

    def download(self, kernel: Kernel, names: Collection[str], directory: Path) -> set[str]:
        # Kaggle lists "../" as it finds it; nothing is written outside the directory.
        plain = {name for name in names if Path(name).name == name}
        with ThreadPoolExecutor(_FETCHERS) as fetchers:
            fetched = {
                name: fetchers.submit(self._fetch, kernel, name, url, directory)
                for name, url in self._links(kernel, plain)
            }
        for one in fetched.values():
            one.result()
        return set(fetched)

    def delete(self, slug: str) -> None:
        request = ApiDeleteKernelRequest()
        request.user_name, request.kernel_slug = self.account(), slug
        try:
            response = self._kernels.delete_kernel(request)
        except UNREADABLE as error:
            # 403 is the answer for a kernel that is not there, and also where deleting is denied.
            if status_code(error) == 404 or (status_code(error) == 403 and self.find(slug) is None):
                return
            raise read_error(error) from None
        if response.error_message:
            raise HostUnreachable(f"Kaggle did not delete {slug}: {response.error_message}")

    def _fetch(self, kernel: Kernel, name: str, url: str, directory: Path) -> None:
        """One file, tried a few times: one cut connection among a hundred files is no reason to begin all over."""
        for attempt in range(1, _FETCH_ATTEMPTS + 1):
            try:
                downloads.fetch(url, directory / name)
                return
            except downloads.LinkExpired:
                url = dict(self._links(kernel, {name})).get(name, "")
                trouble = HostUnreachable(f"Kaggle gives no working address for {name}")
                if not url:
                    raise trouble from None
            except HostUnreachable as error:
                trouble = error
            if attempt < _FETCH_ATTEMPTS:
                time.sleep(random.uniform(0.5, 1) * _FETCH_PAUSE_SECONDS * attempt)  # noqa: S311  # no secret
        raise trouble

    def _accepted(self, response: ApiSaveKernelResponse, push: Push) -> Kernel:
        if response.error:
            raise refusal(response.error)
        if not response.version_number or not response.ref:
            raise PushUncertain("Kaggle took no version of the notebook, and gave no reason")
        filed = response.ref.rpartition("/")[2]
        invalid = [
            *(response.invalid_dataset_sources or []),
            *(response.invalid_kernel_sources or []),
            *(response.invalid_model_sources or []),
        ]
        if filed != push.slug:
            raise PushRefused(f"Kaggle took the kernel as {filed} instead of {push.slug}; {self._undone(filed)}")
        if invalid:
            raise InputsMissing(f"Kaggle took the kernel without its inputs {', '.join(invalid)}", inputs=invalid)
        return self._kernel(push.slug, response.version_number)

    def _undone(self, slug: str) -> str:
        """Deletes a kernel that must not go on, and says whether that could be done."""
        try:
            self.delete(slug)
        except KavoxError as error:
            return f"it could not be deleted and may still run, delete {slug} by hand: {error.detail}"
        return "it was deleted"

    def _kernel(self, slug: str, version: int | None, *, private: bool | None = None) -> Kernel:
        # A stand-in has no page to look at.
        page = "" if self.client.url else f"https://www.kaggle.com/code/{self.account()}/{slug}"
        return Kernel(slug=slug, version=version or 1, ref=f"{self.account()}/{slug}", url=page, private=private)

    def _listed(self, slug: str) -> Any:
        kernels = self._list(slug, page_token="").kernels or []
        return next((kernel for kernel in kernels if _slug(kernel) == slug), None)

    def _list(self, search: str, page_token: str) -> Any:
        request = ApiListKernelsRequest()
        request.group = KernelsListViewType.PROFILE
        request.search, request.page_size = search, _LISTED_KERNELS
        if page_token:
            request.page_token = page_token
        try:
            return self._kernels.list_kernels(request)
        except UNREADABLE as error:
            raise read_error(error) from None

    def _links(self, kernel: Kernel, names: set[str]) -> Iterator[tuple[str, str]]:
        """Addresses of the named outputs, from as many listing pages as it takes to find them."""
        missing, page_token = set(names), ""
        seen: set[str] = set()
        while missing:
            if page_token in seen or len(seen) == _MOST_PAGES:
                # What is missing may be on a page that was never shown.
                raise HostUnreachable(f"Kaggle's list of outputs has no end after {len(seen)} pages")
            seen.add(page_token)
            page = self._outputs(kernel, page_token)
            for file in page.files or []:
                if not all(text and isinstance(text, str) for text in (file.file_name, file.url)):
                    raise HostUnreachable("Kaggle's list of outputs cannot be read")
                if file.file_name in missing:
                    missing.remove(file.file_name)
                    yield file.file_name, file.url
            page_token = page.next_page_token or ""
            if not page_token:
                return

    def _outputs(self, kernel: Kernel, page_token: str) -> Any:
        request = ApiListKernelSessionOutputRequest()
        request.user_name, request.kernel_slug = self.account(), kernel.slug
        request.version_label = _label(kernel)
        request.page_size = _PAGE_SIZE
        if page_token:
            request.page_token = page_token
        try:
            return self._kernels.list_kernel_session_output(request)
        except UNREADABLE as error:
            raise read_error(error) from None

    def account(self) -> str:
        """The name of the account whose kernels these are."""
        return self.client.account()

    @property
    def _kernels(self) -> KernelsApiClient:
        return KernelsApiClient(self.client.http)


def _slug(listed: Any) -> str:
    return str(listed.ref or "").rpartition("/")[2]


def _label(kernel: Kernel) -> str:
    # Without it Kaggle answers for the newest version, which need not be this run's.
    return f"v{kernel.version}"
