"""What answers look like: an example of each model that one can be, and of what stands in an address.

They are one story, of a text that hibari has spoken on the emulator.
"""

from collections.abc import Mapping
from typing import Any

JOB_ID = "1a209c6348c1e7dba56b2"
DELIVERY_ID = f"{JOB_ID}-1"
VOICE_ID = "voice-1a209c63c5e6fa21168ba"
JOB_PATH = f"/jobs/{JOB_ID}"
BATCH_ID = "batch-1a209c6348b77e01fd2c9"
BATCH_PATH = f"/batches/{BATCH_ID}"
_RUN_ID = "1a209c63c5e6fa21168ba"
_URL = "https://example.org/kavox"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

# What stands in an address: its form, which what the service gives always has, and an example.
ADDRESSES: Mapping[str, Mapping[str, Any]] = {
    "job_id": {"pattern": "^[0-9a-f]{21}$", "examples": [JOB_ID]},
    "batch_id": {"pattern": "^batch-[0-9a-f]{21}$", "examples": [BATCH_ID]},
    "delivery_id": {"pattern": "^(batch-)?[0-9a-f]{21}-[1-9][0-9]{0,9}$", "examples": [DELIVERY_ID]},
    "voice_id": {"pattern": "^voice-[0-9a-f]{21}$", "examples": [VOICE_ID]},
    "model": {"minLength": 1, "examples": ["hibari/hibari"]},
}

_AUDIO = {
    "url": f"{JOB_PATH}/audio",
    "format": "wav",
    "duration_seconds": 3.075,
    "sample_rate": 24000,
    "bytes": 147644,
    "sha256": _SHA256,
    "checks": {"silence": "passed"},
    "wav": None,
}

_STATE: Mapping[str, Any] = {
    "id": JOB_ID,
    "status": "succeeded",
    "phase": None,
    "progress": 1.0,
    "position": None,
    "eta_seconds": None,
    "started_at": "2026-11-24T00:17:58.412000Z",
    "finished_at": "2026-11-24T00:18:02.907000Z",
    "warnings": [],
    "waiting": None,
    "error": None,
    "audio": _AUDIO,
}

_JOB = {
    **_STATE,
    "provider": "hibari",
    "model": "hibari",
    "voice": "heart",
    "language": "en",
    "format": "wav",
    "gpu": False,
    "seed": None,
    "options": {},
    "priority": "normal",
    "characters": 44,
    "created_at": "2026-11-24T00:17:56.102000Z",
    "batch": None,
    "cached": False,
    "run": {
        "id": _RUN_ID,
        "host": "emulator",
        "kernel": f"emulator/kavox-{_RUN_ID}",
        "version": 1,
        "url": f"http://127.0.0.1:8001/code/emulator/kavox-{_RUN_ID}",
        "engine": "hibari-tts 0.2.1",
        "notebook_sha256": _SHA256,
    },
    "gpu_seconds": 0.0,
    "metadata": {"page": 12},
    "webhook": {"url": _URL, "events": ["succeeded", "failed", "canceled"]},
    "urls": {
        "self": JOB_PATH,
        "audio": f"{JOB_PATH}/audio",
        "logs": f"{JOB_PATH}/logs",
        "captions": f"{JOB_PATH}/captions",
    },
}

_BATCH = {
    "id": BATCH_ID,
    "name": "A book",
    "status": "running",
    "total": 2,
    "counts": {"queued": 0, "running": 1, "canceling": 0, "succeeded": 1, "failed": 0, "canceled": 0},
    "progress": 0.5,
    "characters": 102,
    "duration_seconds": 3.075,
    "gpu_seconds": 0.0,
    "created_at": "2026-11-24T00:17:56.100000Z",
    "finished_at": None,
    "metadata": {},
    "webhook": None,
    "urls": {
        "self": BATCH_PATH,
        "audio": f"{BATCH_PATH}/audio",
        "captions": f"{BATCH_PATH}/captions",
        "events": f"{BATCH_PATH}/events",
    },
}

_SECOND_JOB_ID = "1a209c6348c2b10ff3a70"

_CUE = {"start": 0.0, "end": 3.075, "text": "The quick brown fox jumps over the lazy dog."}

_DELIVERY = {
    "id": DELIVERY_ID,
    "type": "job.succeeded",
    "url": _URL,
    "status": "pending",
    "created_at": "2026-11-24T00:18:02.907000Z",
    "attempts": [
        {
            "at": "2026-11-24T00:18:03.214000Z",
            "duration_seconds": 0.141,
            "status": 500,
            "error": {"code": "webhook_rejected", "detail": "the receiver answered 500"},
        }
    ],
    "next_attempt_at": "2026-11-24T00:18:08.301000Z",
}

_VOICE = {
    "id": "heart",
    "title": "Heart",
    "languages": ["en"],
    "gender": "female",
    "description": "American English, 24 kHz.",
    "models": [],
    "provider": "hibari",
    "recording": None,
}

_CLONED_VOICE = {
    "id": VOICE_ID,
    "title": "Anne",
    "languages": ["en", "de"],
    "gender": "",
    "description": "",
    "models": ["0.6b-base"],
    "provider": "qwen",
    "recording": {
        "seconds": 7.42,
        "sample_rate": 44100,
        "sha256": _SHA256,
        "transcript": "What is said in it.",
        "created_at": "2026-11-24T00:10:00Z",
    },
}

_PROVIDER = {
    "name": "hibari",
    "title": "Hibari",
    "description": "A small English voice for CPUs.",
    "license": "Apache-2.0",
    "gpu": False,
    "machine_shape": None,
    "hosts": ["kaggle", "local"],
    "seed": True,
    "packages": ["hibari"],
    "extra": "hibari",
    "install": [],
    "environment": [],
    "engine": {"name": "hibari-tts", "version": "0.2.1"},
    "default_model": "hibari",
    "default_voice": "heart",
    "models": [{"id": "hibari", "title": "Hibari", "clones": False}],
    "voices": [{"id": "heart", "title": "Heart", "languages": ["en"]}],
    "languages": [{"code": "en", "title": "English", "speakable": "[A-Za-z]"}],
    "options": {"speed": {"type": "number", "description": "Pace.", "default": 1.0, "minimum": 0.5, "maximum": 2.0}},
    "limits": {
        "max_text_characters": 5000,
        "max_chunk_characters": 5000,
        "characters_per_second": 15.0,
        "shortest_seconds_per_character": 0.01,
        "longest_seconds_per_character": 0.35,
        "longest_fixed_seconds": 5.0,
    },
}

_MODEL = {"id": "hibari/hibari", "object": "model", "created": 0, "owned_by": "hibari-tts"}

MODELS: Mapping[str, Mapping[str, Any]] = {
    "JobView": _JOB,
    "Estimate": {
        "provider": "qwen",
        "model": "0.6b",
        "voice": "ryan",
        "language": "en",
        "host": "kaggle",
        "gpu": True,
        "format": "wav",
        "characters": 44,
        "chunks": 1,
        "speech_seconds": 2.9,
        "gpu_seconds": 131.0,
        "gpu_seconds_from": "runs",
        "eta_seconds": 174.0,
        "cached": False,
        "waiting": None,
        "warnings": [],
    },
    "CacheView": {
        "enabled": True,
        "entries": 12,
        "bytes": 3450120,
        "limit_bytes": 1000000000,
        "hits": 40,
        "shared": 3,
        "misses": 15,
        "gpu_seconds_saved": 3120.5,
    },
    "JobPage": {"jobs": [_JOB], "next_cursor": None},
    "JobEvent": _STATE,
    "BatchSummary": _BATCH,
    "BatchView": {
        **_BATCH,
        "eta_seconds": 12.4,
        "jobs": [
            {"index": 0, "id": JOB_ID, "status": "succeeded", "error": None, "url": JOB_PATH},
            {"index": 1, "id": _SECOND_JOB_ID, "status": "running", "error": None, "url": f"/jobs/{_SECOND_JOB_ID}"},
        ],
    },
    "BatchList": {"batches": [_BATCH], "next_cursor": None},
    "CaptionsView": {"id": JOB_ID, "timing": "measured", "chunks": [{**_CUE, "job": JOB_ID}], "cues": [_CUE]},
    "DeliveryView": _DELIVERY,
    "DeliveryList": {"deliveries": [_DELIVERY]},
    "WebhookSecretView": {
        "secret": "whsec_a2F2b3gtZXhhbXBsZS1zZWNyZXQtbm90LXJlYWwhIQ==",
        "replaced_until": ["2026-11-25T00:18:02.907000Z"],
    },
    "LogView": {
        "job": JOB_ID,
        "run": _RUN_ID,
        "complete": True,
        "lines": [{"time": 2.5, "stream": "stdout", "text": f"spoke {JOB_ID}"}],
    },
    "ProviderList": {"default": "hibari", "providers": [_PROVIDER]},
    "VoiceList": {"voices": [_CLONED_VOICE, _VOICE]},
    "VoiceView": _CLONED_VOICE,
    "QuotaView": {
        "gpu": {
            "allowed_seconds": 108000.0,
            "used_seconds": 5400.0,
            "reserved_seconds": 0.0,
            "remaining_seconds": 102600.0,
            "reserve_seconds": 36000.0,
            "available_seconds": 66600.0,
            "refreshes_at": "2026-11-28T00:00:00Z",
            "read_at": "2026-11-24T00:17:30Z",
            "stale": False,
        },
        "kavox": {
            "week_start": "2026-11-21T00:00:00Z",
            "seconds": 1800.0,
            "by_caller": {"anne": 1800.0},
            "others_seconds": 3600.0,
            "budget": None,
        },
        "sessions": {
            "gpu": {"open": 1, "limit": 2},
            "own_gpu": {"open": 0, "limit": 1},
            "cpu": {"open": 0, "limit": 2},
        },
        "detail": None,
    },
    "Health": {"status": "ok"},
    "Readiness": {
        "ready": True,
        "missing": [],
        "redis": {"mode": "embedded", "reachable": True},
        "kaggle": {"mode": "emulated", "url": "http://127.0.0.1:8001"},
        "workers": {"count": 1},
        "keys": {"mode": "this_machine_only"},
    },
    "ModelView": _MODEL,
    "ModelList": {"object": "list", "data": [_MODEL]},
    "NamedModels": {"models": [{"id": "hibari/hibari", "name": "hibari/hibari"}]},
    "NamedVoices": {"voices": [{"id": VOICE_ID, "name": "Anne"}, {"id": "heart", "name": "Heart"}]},
}
