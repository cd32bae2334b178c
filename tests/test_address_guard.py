"""Where webhooks may lead: however an address is written, and whatever a name resolves to."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from moderation.address_guard import AddressGuard, HostUnknown
from moderation.errors import ConfigurationError

PUBLIC = "93.184.215.14"


def resolving(*addresses: str) -> AddressGuard:
    """A guard whose every name has these addresses."""
    return AddressGuard(resolve=lambda *_: addresses)


def test_a_public_url_is_taken_apart_for_the_request() -> None:
    guard = resolving(PUBLIC, "2606:4700::1111", PUBLIC)
    target = guard.check("https://Hooks.Example.com:8443/a/b?c=d%20e")
    assert (target.scheme, target.host, target.port) == ("https", "hooks.example.com", 8443)
    assert target.path == "/a/b?c=d%20e"
    assert target.addresses == (PUBLIC, "2606:4700::1111")
    assert guard.check("https://example.com").port == 443
    assert guard.check("https://example.com?a").path == "/?a"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
    ],
)
def test_fault_135_a_name_of_an_inner_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="no public address"):
        resolving(address).check("https://hooks.example.com/")


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::1111", "64:ff9b::5db8:d70e"])
def test_a_public_address_is_not_refused(address: str) -> None:
    assert resolving(address).check("https://hooks.example.com/").addresses == (address,)


def test_an_address_of_ipv4_in_ipv6_is_connected_to_as_what_it_is() -> None:
    guard = resolving(f"::ffff:{PUBLIC}")
    assert guard.check("https://hooks.example.com/").addresses == (PUBLIC,)


@pytest.mark.parametrize("addresses", [(PUBLIC, "10.0.0.1"), ("::1", PUBLIC)])
def test_fault_135_one_inner_address_among_others_is_enough(addresses: Sequence[str]) -> None:
    with pytest.raises(ConfigurationError, match="no public address"):
        resolving(*addresses).check("https://hooks.example.com/")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "169.254.169.254",
        "[fe80::1]",
    ],
)
def test_fault_135_this_machine_is_refused_however_it_is_written(host: str) -> None:
    """As the machine's own resolver reads it."""
    with pytest.raises(ConfigurationError, match="no public address"):
        AddressGuard().check(f"https://{host}:8080/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://",
        "https:///path",
        "https://:443/",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/#fragment",
        "https://example.com/a b",
        "https://example.com/\r\nHost: 127.0.0.1",
        "https://example.com/\t",
        "https://exämple.com/",
        "https://127。0。0。1/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:x/",
        "https://[::1/",
        "https://[example.com]/",
        "https://example.com/" + "a" * 2_000,
    ],
)
def test_fault_135_what_may_be_read_in_two_ways_is_no_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no URL that a webhook may have"):
        resolving(PUBLIC).check(url)


def test_a_name_without_an_address_may_have_one_later() -> None:
    with pytest.raises(HostUnknown, match="no address"):
        AddressGuard().check("https://no-such-host.invalid/")
    with pytest.raises(HostUnknown, match="no address"):
        AddressGuard().check(f"https://{'a' * 64}.example.com/")


def test_plain_http_is_for_allowed_networks_alone() -> None:
    with pytest.raises(ConfigurationError, match="in the open"):
        resolving(PUBLIC).check("http://hooks.example.com/")
    allowing = AddressGuard([ip_network("10.1.0.0/16")], resolve=lambda *_: ["10.1.2.3"])
    assert allowing.check("http://hooks.inner/").port == 80


def test_an_allowed_network_allows_no_other() -> None:
    allowing = AddressGuard([ip_network("10.1.0.0/16"), ip_network("fd00::/64")])
    for address in ("10.1.2.3", "[fd00::5]", "[::ffff:10.1.2.3]"):
        assert allowing.check(f"https://{address}/")
    for address in ("10.2.0.1", "127.0.0.1", "[fd00:0:0:1::]"):
        with pytest.raises(ConfigurationError, match="no public address"):
            allowing.check(f"https://{address}/")
