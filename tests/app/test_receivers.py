"""Webhooks go to the internet, and to whom the operator names: whatever a URL looks like."""

import ipaddress
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shared.receivers import AllowedHosts, Receiver, ReceiverRefused, is_public

NOBODY = AllowedHosts()
PRIVATE = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
    "::/128", "::1/128", "100::/64", "2001::/32", "2001:db8::/32", "3fff::/20", "fc00::/7", "fe80::/10", "fec0::/10",
    "ff00::/8", "64:ff9b:1::/48", "5f00::/16",
]  # fmt: skip
NETWORKS = [ipaddress.ip_network(network) for network in PRIVATE]
REFUSED = [
    "", "x", "//example.org/", "http:", "https:///", "https://", "ftp://example.org/", "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL", "http://example.org/", "https://user@example.org/", "https://a:b@example.org/",
    "https://example.org@127.0.0.1/", "https://127.0.0.1#@example.org/", "https://example.org\\@127.0.0.1/",
    "https://example.org:0/", "https://example.org:65536/", "https://example.org:25/", "https://example.org:x/",
    "https://example.org /", " https://example.org/", "https://example.org/\n", "https://exa\tmple.org/",
    "https://example.org/#part", "https://exämple.org/", "https://example.org/ä", "https://\uff11\uff12\uff17.0.0.1/",
    "https://127.0.0.1/", "https://127.1/", "https://0177.0.0.1/", "https://0x7f.0.0.1/", "https://0x7f000001/",
    "https://2130706433/", "https://127.0.0.1.:443/", "https://0/", "https://1.2.3/", "https://example.org./",
    "https://localhost/", "https://a.localhost/", "https://LOCALHOST/", "https://redis/", "https://[::1]/",
    "https://[::ffff:127.0.0.1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/", "https://[::]/", "https://[1.2.3.4]/", "https://[]/", "https://169.254.169.254/",
    "https://-a.org/", "https://a..org/", "https://%6cocalhost/", "https://" + "a" * 64 + ".org/",
    "https://example.org/" + "a" * 2000,
]  # fmt: skip


def carriers(inner: ipaddress.IPv4Address) -> list[str]:
    """IPv6 addresses that lead to this one."""
    number = int(inner)
    mapped, nat64, sixtofour = 0xFFFF << 32, 0x0064FF9B << 96, 0x2002 << 112
    return [str(ipaddress.IPv6Address(one)) for one in (mapped + number, nat64 + number, sixtofour + (number << 80))]


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_no_address_of_the_internet_is_refused(url: str) -> None:
    """With a detail that says why, and the field."""
    with pytest.raises(ReceiverRefused) as refusal:
        NOBODY.check(url)
    assert refusal.value.detail
    assert refusal.value.field == "webhook.url"


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("https://example.org", Receiver("https", "example.org", 443, "")),
        ("HTTPS://Example.ORG:8443/a/b?c=d&e=%20", Receiver("https", "example.org", 8443, "/a/b?c=d&e=%20")),
        ("https://xn--exmple-cua.org/", Receiver("https", "xn--exmple-cua.org", 443, "/")),
        ("https://93.184.216.34/", Receiver("https", "93.184.216.34", 443, "/")),
        ("https://[2606:2800:220:1::1]/", Receiver("https", "2606:2800:220:1::1", 443, "/")),
        ("https://_dmarc.a-b.example.org?x", Receiver("https", "_dmarc.a-b.example.org", 443, "?x")),
    ],
)
def test_addresses_of_the_internet_are_taken(url: str, receiver: Receiver) -> None:
    """In their parts."""
    assert NOBODY.check(url) == receiver


@given(st.sampled_from(NETWORKS).flatmap(lambda network: st.ip_addresses(network=network)))
def test_no_special_address_is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Nor is one of IPv6 that carries it."""
    assert not is_public(str(ip))
    if isinstance(ip, ipaddress.IPv4Address):
        assert not any(map(is_public, carriers(ip)))


@given(st.ip_addresses(v=4))
def test_what_carries_an_address_is_as_public_as_that(ip: ipaddress.IPv4Address) -> None:
    """Mapped, through NAT64 and through 6to4."""
    assert {is_public(one) for one in carriers(ip)} == {is_public(str(ip))}
    if is_public(str(ip)):
        assert not any(ip in network for network in NETWORKS if network.version == 4)


_PIECES = st.sampled_from(
    ["https", "http", "://", "//", ":", "/", "@", "\\", "#", "?", ".", "%", "[", "]", "127.0.0.1", "localhost", "::1",
     "10.0.0.1", "0x7f", "2130706433", "example.org", "443", "80", " ", "\n", "\t", "\0", "\u3002", "\u2460", "user",
     "%00", "%2e"]
)  # fmt: skip


@given(st.lists(_PIECES | st.text(max_size=3), max_size=12).map("".join) | st.text())
def test_other_readers_of_urls_see_the_same_host(tail: str) -> None:
    """Whatever is accepted: no parser, of ours or of a library, finds another machine in it."""
    url = f"https://{tail}"
    try:
        receiver = NOBODY.check(url)
    except ReceiverRefused:
        return
    split, other = urlsplit(url), httpx.URL(url)
    assert (split.hostname, split.port or 443) == (receiver.host, receiver.port)
    assert (other.host, other.port or 443) == (receiver.host, receiver.port)
    assert not split.username
    assert not other.userinfo


def test_the_operator_vouches_for_hosts() -> None:
    """With one port or any; such a host may be private and without TLS."""
    allowed = AllowedHosts.parse("127.0.0.1:9000, hooks.lan,[::1]:9001,")
    for url in ("http://127.0.0.1:9000/x", "http://hooks.lan/", "https://HOOKS.lan:81/", "http://[::1]:9001/"):
        receiver = allowed.check(url)
        allowed.check_addresses(receiver, ["127.0.0.1", "10.0.0.1"])
    for url in ("http://127.0.0.1/", "http://127.0.0.1:9001/", "http://hooks.lan.example.org/", "http://[::1]:9000/"):
        with pytest.raises(ReceiverRefused):
            allowed.check(url)


@pytest.mark.parametrize("entry", ["http://a", "a/b", "a b", "a:99999", "a:x", "*"])
def test_an_entry_that_is_no_host_is_named(entry: str) -> None:
    """The process does not start with it."""
    with pytest.raises(ValueError, match="KAVOX_WEBHOOK_ALLOWED_HOSTS"):
        AllowedHosts.parse(f"good.example,{entry}")


def test_one_private_address_of_several_is_enough(api: httpx.Client) -> None:
    """All that a name stands for are looked at; and the API says so with a problem."""
    receiver = NOBODY.check("https://example.org/")
    with pytest.raises(ReceiverRefused):
        NOBODY.check_addresses(receiver, ["93.184.216.34", "10.0.0.1"])
    answer = api.post("/synthesize", json={"text": "Hello.", "webhook": "https://10.0.0.1/"})
    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["field"]) == ("webhook_url_refused", "webhook.url")
