"""Addresses as people may see them."""

from urllib.parse import urlsplit


def without_secrets(url: str) -> str:
    """An address without the name and password that may be in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
