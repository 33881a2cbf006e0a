"""Scripted failures: what a test or a chaos run tells the emulator to do wrong.

A fault is {"call", "kind"} with "times" (default 1) or "probability" (no end unless "times" says one). `call` is a
method's name, `Download` for an output file, `Upload` for the bytes of a blob, or `*` for any call. They are kept over
a restart.

    lost_response       the request is processed, then the connection is closed without an answer
    timeout_before      nothing for "seconds" (default 30), then the connection is closed; never processed
    http_503_html       a load balancer's page
    http_429            Kaggle's rate limit
    http_429_legacy     the same in the shape of www.kaggle.com
    http_500_json       an internal error
    expired_url         the storage service's answer to an address that has expired
    refuse_gpu_sessions SaveKernel only: refused as if two sessions were running
    refuse_gpu_quota    SaveKernel only: refused as if the week's quota was used up
    fail_processing     CreateDataset and CreateDatasetVersion only: accepted, but the version ends as FAILED
"""

import random
from collections.abc import Callable
from typing import Any

from starlette.responses import HTMLResponse, Response

from workers.emulator import rules
from workers.emulator.outputs import storage_error
from workers.emulator.store import Store
from workers.emulator.wire import ApiError

HTML_503 = "<html><head><title>503 Server Error</title></head><body><h1>Error: Server Error</h1></body></html>"

RESPONSES: dict[str, Callable[[], Response]] = {
    "http_503_html": lambda: HTMLResponse(HTML_503, 503),
    "http_429": lambda: ApiError(429, "Too many requests").response(),
    "http_429_legacy": lambda: ApiError(429, "TooManyRequests", legacy=True).response(),
    "http_500_json": lambda: ApiError(500, "Internal error encountered.").response(),
    "expired_url": lambda: storage_error(403, "ExpiredToken"),
}

REFUSALS = {"refuse_gpu_sessions": rules.GPU_SESSIONS_TAKEN, "refuse_gpu_quota": rules.GPU_QUOTA_USED}

FAIL_PROCESSING = "fail_processing"

ONLY_FOR = {
    "refuse_gpu_sessions": {"SaveKernel"},
    "refuse_gpu_quota": {"SaveKernel"},
    FAIL_PROCESSING: {"CreateDataset", "CreateDatasetVersion"},
}

KINDS = {"lost_response", "timeout_before", *RESPONSES, *ONLY_FOR}

FIELDS: dict[str, type | tuple[type, ...]] = {
    "call": str,
    "kind": str,
    "times": int,
    "probability": (int, float),
    "seconds": (int, float),
}


def check_fault(fault: Any) -> dict[str, Any]:
    """A fault as it was posted. Raises 400 with what is wrong with it."""
    if not isinstance(fault, dict) or not {"call", "kind"} <= fault.keys():
        raise ApiError(400, "A fault is an object with at least call and kind.")
    for field, value in fault.items():
        if field not in FIELDS or not isinstance(value, FIELDS[field]):
            raise ApiError(400, f"Wrong field in a fault: {field}.")
    if fault["kind"] not in KINDS:
        raise ApiError(400, f"Unknown kind of fault; there are {', '.join(sorted(KINDS))}.")
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
