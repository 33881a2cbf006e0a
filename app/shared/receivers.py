"""Where webhooks may be sent: nobody shall have this service ask what only it can reach (SSRF).

    when a request names a URL    its form, its port, and its host where that is an address or plainly this machine's
    at each delivery              all of that again, and every address that the name then stands for

Names are not resolved when they are accepted: what they stand for may change until a job ends, and a request would wait
for somebody's name server. A host on the allow list may be private and take http; that is for the operator to say.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from app.shared.errors import RequestRefused

MAX_URL_CHARS = 2000

# One reading of a URL, whose parts the connection is then made from: no second parser may see another host in it.
# There is no @ before the path, no #, no \, no space and no character beyond ASCII.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:[/?][a-z0-9._~:/?\[\]@!$&'()*+,;=%-]*)?)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What C libraries take for an IPv4 address of their own old forms: 127.1, 0x7f000001, 2130706433.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ENTRY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}

# Public by their numbers alone: protocol assignments, 6to4's relays, and where a machine on Azure asks its host.
_SPECIAL_V4 = [ipaddress.IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")]
_UNICAST = ipaddress.IPv6Network("2000::/3")
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Receiver:
    """A URL in its parts; `host` is in lower case and without brackets, `path` has the query too."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The host as headers have it, with its port where that is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class ReceiverRefused(RequestRefused):
    """Nothing is sent to this address."""

    code = "webhook_url_refused"

    def __init__(self, detail: str, *, field: str = "webhook.url") -> None:
        super().__init__(field, detail)


@dataclass(frozen=True)
class AllowedHosts:
    """The operator's list: a host, with one port or any (None)."""

    entries: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `host,host:port,…`. Raises ValueError."""
        entries = set()
        for entry in (part.strip() for part in text.split(",") if part.strip()):
            found = _ENTRY.fullmatch(entry)
            if found is None or int(found["port"] or 1) not in range(1, 65536):
                raise ValueError(
                    f"KAVOX_WEBHOOK_ALLOWED_HOSTS: {entry} must look like host or host:port, without http://"
                )
            entries.add((found["host"].strip("[]").lower(), int(found["port"]) if found["port"] else None))
        return cls(frozenset(entries))

    def names(self, receiver: Receiver) -> bool:
        """Whether the operator vouches for this host and port."""
        return bool({(receiver.host, None), (receiver.host, receiver.port)} & self.entries)

    def check(self, url: str) -> Receiver:
        """The URL in its parts. Raises ReceiverRefused, with what would be right."""
        receiver = _parsed(url)
        if self.names(receiver):
            return receiver
        if receiver.scheme != "https":
            raise ReceiverRefused(f"must be https; for http KAVOX_WEBHOOK_ALLOWED_HOSTS must name {receiver.authority}")
        if receiver.port != 443 and receiver.port < 1024:
            raise ReceiverRefused(f"port {receiver.port} is no port of a web service; take 443, or one from 1024 on")
        if is_address(receiver.host):
            self.check_addresses(receiver, [receiver.host])
        elif "." not in receiver.host or receiver.host.endswith(".localhost"):
            raise ReceiverRefused(f"{receiver.host} is no host of the internet{_REMEDY}")
        return receiver

    def check_addresses(self, receiver: Receiver, addresses: Iterable[str]) -> None:
        """Raises ReceiverRefused unless each of these addresses of the receiver may be asked."""
        if not self.names(receiver):
            for address in addresses:
                if not is_public(address):
                    raise ReceiverRefused(f"{receiver.host} is {address}, which is not of the internet{_REMEDY}")


_REMEDY = "; a receiver in your own network must stand in KAVOX_WEBHOOK_ALLOWED_HOSTS"


def is_address(host: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether it is the address of one machine on the internet, also behind what carries IPv4 inside IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast and not any(ip in special for special in _SPECIAL_V4)
    carried = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
    if carried is not None:
        return is_public(str(carried))
    return ip in _UNICAST and ip.is_global and ip.teredo is None and ip not in _DOCUMENTATION


def _parsed(url: str) -> Receiver:
    if len(url) > MAX_URL_CHARS:
        raise ReceiverRefused(f"is longer than {MAX_URL_CHARS} characters")
    found = _URL.fullmatch(url)
    if found is None:
        raise ReceiverRefused(
            "must look like https://host/path: in ASCII, without user or password, without # and what follows it"
        )
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or _PORTS[scheme])
    if not 0 < port < 65536:
        raise ReceiverRefused(f"there is no port {port}")
    if host.startswith("["):
        host = host.strip("[]")
        named = is_address(host) and ":" in host
    elif _NUMBER.fullmatch(host.rpartition(".")[2]):
        named = is_address(host)
    else:
        named = all(map(_LABEL.fullmatch, host.split(".")))
    if not named:
        raise ReceiverRefused(f"{host} is no host; write its name or address in full, without a dot at the end")
    return Receiver(scheme, host, port, found["path"])
