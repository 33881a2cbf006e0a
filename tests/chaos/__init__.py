"""Everything goes wrong at once, and no job may be lost, pushed twice or given another's audio: `make chaos`."""
