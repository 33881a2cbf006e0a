"""Every error that Kavox raises on purpose.

    KavoxError                    has a stable `code`; `str()` says what happened and what to do
    ├── Transient                 the same call may succeed later: retry with backoff, or wait
    │   ├── HostUnreachable       Kaggle (or its stand-in) did not answer, or not in a readable way
    │   │   └── AskedToWait       … because it limits the rate of calls; `retry_after` says for how long
    │   ├── PushUncertain         a push was sent and no answer came: look for the kernel before pushing again
    │   ├── InputsMissing         the kernel was taken without a dataset that was there a moment ago
    │   ├── SessionsTaken         every session of the account is busy: the jobs wait
    │   ├── QuotaExhausted        the week's GPU quota is used up: the jobs wait
    │   ├── HostGone              no worker of the service can run on the job's host any more
    │   ├── StoreUnavailable      Redis does not answer, or refuses to write
    │   ├── StorageFull           no room for audio
    │   ├── TooManyRequests       the caller has used what its key may use; `retry_after` says for how long
    │   │   ├── TooManyWaiting    … as many of its jobs wait as may
    │   │   └── BudgetSpent       … its share of the week's GPU quota
    │   ├── Defect                an error of ours that nobody foresaw: retried a few times
    │   └── LeaseLost             another worker owns the run now: let go of it
    └── Permanent                 the same call will fail again
        ├── ConfigurationError    a setting, a manifest or a notebook is wrong: the process does not start
        ├── RequestRefused        the request cannot be accepted as it is; `field` names the culprit
        ├── NotFound              no such thing, or it belongs to another caller
        ├── Conflict              the thing exists, but not in a state that allows this
        ├── Gone                  it was there and has expired
        ├── Unauthorized          the key is missing, wrong, revoked or expired
        ├── Forbidden             the key is right, and its scopes do not allow this
        ├── CredentialsRejected   Kaggle does not accept the credentials
        ├── InjectionFailed       the notebook template cannot take the run's items
        ├── ReferenceRefused      the recording of a cloned voice is gone, or the host does not take it
        ├── PushRefused           Kaggle answered the push with a refusal that waiting does not cure
        ├── KernelNotFound        a kernel that was there is gone
        ├── CancelFailed          a job was to be cancelled, and its kernel goes on
        ├── KernelTimedOut        the kernel found no machine in time, or did not end in time
        ├── NotebookFailed        the kernel ended without a usable result.json
        │   └── ImageChanged      … because packages could not be installed or imported
        ├── AudioRejected         what the notebook delivered is not the audio that it promised
        └── ConversionFailed      the audio is there, and cannot be made into the format asked for

The type of an error decides what happens next; no caller reads messages.
"""

from collections.abc import Sequence
from typing import Any, ClassVar


class KavoxError(Exception):
    """Base of all; `code` is part of the API and never changes its meaning, `remedy` is what a person can do."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
    remedy: ClassVar[str] = ""

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code  # type: ignore[misc]  # a refinement for this one instance

    @property
    def advice(self) -> str:
        """What happened and what to do: the detail, with the remedy where this kind of error has one."""
        if not self.remedy:
            return self.detail
        return f"{self.detail}{'' if self.detail.endswith(('.', '?', '!')) else '.'} {self.remedy}"

    def view(self) -> dict[str, Any]:
        """The error as a job shows it."""
        return {"code": self.code, "detail": self.advice, "retryable": self.retryable}


class Transient(KavoxError):
    """Base class for errors after which the same call may succeed later."""

    retryable = True


class HostUnreachable(Transient):
    """The host did not answer in time, or with something that is not its API."""

    code = "kaggle_unreachable"
    remedy = (
        "Look after this machine's network, KAVOX_KAGGLE_API_URL where it is set, and whether Kaggle itself is up; "
        "Kavox asks again by itself until KAVOX_MAX_WAIT_HOURS have passed"
    )


class AskedToWait(HostUnreachable):
    """The host limits the rate of calls, or is down for a moment; `retry_after` is how many seconds it asks for."""

    def __init__(self, detail: str, retry_after: float | None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class PushUncertain(Transient):
    """The push may or may not have been accepted."""

    code = "push_uncertain"


class InputsMissing(Transient):
    """The host took the kernel, but not all of its `inputs`: it must be deleted, and may be pushed anew."""

    code = "inputs_missing"

    def __init__(self, detail: str, *, inputs: Sequence[str]) -> None:
        super().__init__(detail)
        self.inputs = inputs


class SessionsTaken(Transient):
    """All sessions are busy; a person may be using the account too."""

    code = "waiting_for_session"


class QuotaExhausted(Transient):
    """The weekly GPU quota is used up; only the refresh helps."""

    code = "waiting_for_quota"
    remedy = (
        "The quota comes back once a week, and the job then goes on by itself; providers without a GPU, and gpu: false "
        "where the provider runs locally, need none of it"
    )


class HostGone(Transient):
    """No worker has the job's host any more, as when credentials for Kaggle came or went."""

    code = "host_gone"
    remedy = "Send the job again: it is spoken where the service speaks now"


class StoreUnavailable(Transient):
    """Redis does not answer, or refuses to write."""

    code = "store_unavailable"


class StorageFull(Transient):
    """The audio store has no room."""

    code = "storage_full"


class TooManyRequests(Transient):
    """The caller's key has a limit, and it is reached; `retry_after` is in seconds."""

    code = "rate_limited"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooManyWaiting(TooManyRequests):
    """As many of the caller's jobs wait as its key allows."""

    code = "too_many_waiting"


class BudgetSpent(TooManyRequests):
    """The caller has used as much of the week's GPU quota as its key allows."""

    code = "budget_spent"


class Defect(Transient):
    """An error inside Kavox that nobody foresaw."""


class LeaseLost(Transient):
    """This worker no longer owns the run; whoever does goes on."""

    code = "lease_lost"


class Permanent(KavoxError):
    """Base class for errors that the same call will meet again."""


class ConfigurationError(Permanent):
    """One line that names the wrong setting and what to put there."""

    code = "configuration_error"


class RequestRefused(Permanent):
    """The request cannot be accepted; `field` is the path of the culprit, `extra` goes into the problem."""

    code = "invalid_request"

    def __init__(self, field: str, detail: str, *, code: str | None = None, **extra: Any) -> None:
        super().__init__(detail, code=code)
        self.field = field
        self.extra = extra


class NotFound(Permanent):
    """No such thing, or it is another caller's."""

    code = "not_found"


class Conflict(Permanent):
    """The thing's state does not allow this."""

    code = "conflict"

    def __init__(self, detail: str, *, code: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class Gone(Permanent):
    """It was there; its retention time has passed."""

    code = "expired"


class Unauthorized(Permanent):
    """The request carries no key, or a wrong one."""

    code = "unauthorized"


class Forbidden(Permanent):
    """The request carries a right key that does not have the scope for it."""

    code = "missing_scope"


class CredentialsRejected(Permanent):
    """Kaggle refused the credentials."""

    code = "credentials_rejected"


class InjectionFailed(Permanent):
    """The notebook template is missing, broken, or has no cell to put the items into."""

    code = "injection_failed"
    remedy = "Mend the notebook as docs/adding-a-provider.md says, or put Kavox's own back, then send the job again"


class ReferenceRefused(Permanent):
    """The jobs of this cloned voice cannot be spoken; others of their run can."""

    code = "voice_unusable"


class PushRefused(Permanent):
    """Kaggle refused the push for a reason that waiting does not cure."""

    code = "push_refused"


class KernelNotFound(Permanent):
    """The run's kernel is not there any more."""

    code = "kernel_not_found"
    remedy = "Send the job again, and leave kernels whose names begin like KAVOX_KERNEL_ID alone: Kavox removes its own"


class CancelFailed(Permanent):
    """The job is given up, but its kernel could not be stopped."""

    code = "cancel_failed"


class KernelTimedOut(Permanent):
    """The run's deadline has passed."""

    code = "kernel_timed_out"


class NotebookFailed(Permanent):
    """The kernel ended without a result.json of this run."""

    code = "notebook_failed"


class ImageChanged(NotebookFailed):
    """What the notebook installs and imports does not fit the host's image, before anything was spoken."""

    code = "image_changed"


class AudioRejected(Permanent):
    """A delivered file is missing, empty, or not what result.json says."""

    code = "audio_rejected"


class ConversionFailed(Permanent):
    """The checked wav could not be encoded."""

    code = "conversion_failed"
    remedy = "The checked wav is not affected: ask for the format wav"
