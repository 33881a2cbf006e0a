"""Scripted failures: what a test or a chaos run tells the emulator to do wrong.

A fault is {"call", "kind"} with "times" (default 1) or "probability" (no end unless "times" says one). `call` is a
method's name, `Download` for an output file, `Upload` for the bytes of a blob, or `*` for any call. They are kept over
a restart, and the first one that fits a call is taken.

Instead of an answer, nothing is processed:
    timeout_before      nothing for "seconds" (default 30), then the connection is closed
    http_503_html       a load balancer's page; it may ask to come back after "retry_after" seconds
    http_429            Kaggle's rate limit, "retry_after" as above
    http_429_legacy     the same in the shape of www.kaggle.com
    http_500_json       an internal error
    http_error          any other one of Kaggle's: "code" (default 403), "message", "legacy" for the other shape
    html_200            a page with status 200
    expired_url         the storage service's answer to an address that has expired
    pretend             "fields" as the answer, HTTP 200: DeleteKernel with {"errorMessage": "denied"} deletes nothing
    refuse_gpu_sessions SaveKernel only: refused as if two sessions were running
    refuse_gpu_quota    SaveKernel only: refused as if the week's quota was used up

After it was processed:
    lost_response       the connection is closed without an answer
    delay               the answer comes after "seconds"
    alter               "fields" take the place of what the answer says, inner objects field by field and null as it is:
                        {"status": "PAUSED"}, {"files": null}, {"metadata": {"isPrivate": false}}
    fail_processing     CreateDataset and CreateDatasetVersion only: accepted, but the version ends as FAILED
    stale_version       reads of a kernel: without a versionLabel the last version but one is meant, not the newest

Output files and JSON answers, also after they were processed:
    cut                 after "bytes" (default half of all) the connection is closed, though all were announced
    short               "bytes" (default 0) of all, announced as if there were no more
    trickle             "bytes" (default 1) at a time, with "seconds" (default 1) between

GetKernelSessionLogsStream only, while the session runs:
    cut_stream          the connection is closed after "events" (default 0)
    end_stream          END_OF_LOG comes after "events" (default 0), though the session runs on
    doubled_stream      every event comes twice
    endless_stream      nothing comes at the end of the session, and the connection stays open
"""

import random
from typing import Any

from workers.emulator import rules
from workers.emulator.store import Store
from workers.emulator.wire import STATUS_NAMES, ApiError

STREAM_CALL = "GetKernelSessionLogsStream"

REFUSALS = {"refuse_gpu_sessions": rules.GPU_SESSIONS_TAKEN, "refuse_gpu_quota": rules.GPU_QUOTA_USED}

FAIL_PROCESSING, STALE_VERSION = "fail_processing", "stale_version"

NUMBER = (int, float)

KINDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "timeout_before": {"seconds": NUMBER},
    "http_503_html": {"retry_after": int},
    "http_429": {"retry_after": int},
    "http_429_legacy": {"retry_after": int},
    "http_500_json": {},
    "http_error": {"code": int, "message": str, "legacy": bool},
    "html_200": {},
    "expired_url": {},
    "pretend": {"fields": dict},
    "refuse_gpu_sessions": {},
    "refuse_gpu_quota": {},
    "lost_response": {},
    "delay": {"seconds": NUMBER},
    "alter": {"fields": dict},
    FAIL_PROCESSING: {},
    STALE_VERSION: {},
    "cut": {"bytes": int},
    "short": {"bytes": int},
    "trickle": {"bytes": int, "seconds": NUMBER},
    "cut_stream": {"events": int},
    "end_stream": {"events": int},
    "doubled_stream": {},
    "endless_stream": {},
}
"""The kinds of faults, and the fields that each has beside the common ones."""

COMMON_FIELDS: dict[str, type | tuple[type, ...]] = {"call": str, "kind": str, "times": int, "probability": NUMBER}

ONLY_FOR = {
    **{kind: {"SaveKernel"} for kind in REFUSALS},
    FAIL_PROCESSING: {"CreateDataset", "CreateDatasetVersion"},
    STALE_VERSION: {"GetKernel", "GetKernelSessionStatus", "ListKernelSessionOutput", STREAM_CALL},
    **{kind: {STREAM_CALL} for kind in ("cut_stream", "end_stream", "doubled_stream", "endless_stream")},
}


def check_fault(fault: Any) -> dict[str, Any]:
    """A fault as it was posted. Raises 400 with what is wrong with it."""
    if not isinstance(fault, dict) or not {"call", "kind"} <= fault.keys():
        raise ApiError(400, "A fault is an object with at least call and kind.")
    kind = fault["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ApiError(400, f"Unknown kind of fault; there are {', '.join(sorted(KINDS))}.")
    fields = COMMON_FIELDS | KINDS[kind]
    for field, value in fault.items():
        if field not in fields or not _fits(value, fields[field]):
            raise ApiError(400, f"Wrong field in a fault of kind {kind}: {field}.")
    call = fault["call"]
    if call != "*" and call not in ONLY_FOR.get(kind, {call}):
        raise ApiError(
            400, f"A fault of kind {kind} is for {' or '.join(sorted(ONLY_FOR[kind]))} only, not for {call}."
        )
    if "fields" in KINDS[kind] and "fields" not in fault:
        raise ApiError(400, f"A fault of kind {kind} needs fields.")
    if fault.get("code", 400) not in STATUS_NAMES:
        raise ApiError(400, f"The code of an error is one of {', '.join(map(str, STATUS_NAMES))}.")
    return fault if "probability" in fault else {"times": 1} | fault


def take_fault(store: Store, call: str) -> dict[str, Any]:
    """The first fault that hits this call, used up by one; an empty one when there is none."""
    for fault_id, fault in store.faults().items():
        if not _applies(fault, call) or random.random() >= fault.get("probability", 1):  # noqa: S311 no secret
            continue
        if "times" in fault:
            fault["times"] -= 1
            if fault["times"] > 0:
                store.change_fault(fault_id, fault)
            else:
                store.remove_fault(fault_id)
        return fault
    return {}


def _applies(fault: dict[str, Any], call: str) -> bool:
    return fault["call"] in {call, "*"} and call in ONLY_FOR.get(fault["kind"], {call})


def _fits(value: Any, kind: type | tuple[type, ...]) -> bool:
    """Whether a value is of this kind, numbers not negative; true and false are no numbers."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind) and not (isinstance(value, int | float) and value < 0)
