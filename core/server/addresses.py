"""Under which address a class finds this server; found without a word to any other machine."""

import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from urllib.parse import SplitResult, urlsplit

from core.server import web

ELSEWHERE = ("198.51.100.1", "192.168.0.1", "10.0.0.1", "172.16.0.1")
"""The first stands for the Internet (RFC 5737: nobody has it), the others for networks that have no way to it."""

ELSEWHERE_IPV6 = "2001:db8::1"
"""The same for IPv6 (RFC 3849)."""

OF_CONTAINERS = ("docker", "br-", "veth", "virbr")
TUNNELS = ("tun", "tap", "wg", "utun", "ppp", "tailscale")
"""Beginnings of names of interfaces: what only this machine sees, and what a phone beside it does not."""


class Obstacle(Enum):
    """Why nobody else reaches this server, as far as it knows."""

    LISTENS_HERE_ONLY = "it listens on this machine only"
    UNKNOWN_PROXY = "a proxy stands before it, and PUBLIC_URL is not set"
    NO_NETWORK = "this machine is in no network"


@dataclass(frozen=True)
class Reach:
    """Addresses such as http://192.168.1.7:8501 under which others reach this server, the likeliest first; or the obstacle.

    is_of_this_network: they are this machine's own in the network in which it stands.
    """

    addresses: tuple[str, ...] = ()
    obstacle: Obstacle | None = None
    is_of_this_network: bool = False


def reach(seen: str, listens_on: str, is_forwarded: bool = False) -> Reach:
    """How others reach this server.

    seen: the address in the browser of whoever asks; it holds for others too, unless it is this machine's name for itself.
    listens_on: the server's address; "" is every one. is_forwarded: a proxy brought the question; where it listens,
    PROXY_ADDRESS says.
    """
    if public := web.public_url():
        return Reach((public,))
    place = parts_of(seen)
    if place.hostname and not is_own_name(place.hostname):
        return Reach((f"{place.scheme}://{place.netloc}",))
    if proxy := web.proxy_address():
        listens_on, _ = proxy
    elif is_forwarded:
        return Reach(obstacle=Obstacle.UNKNOWN_PROXY)
    if is_wildcard(listens_on):
        hosts = of_this_machine()
    elif is_own_name(listens_on):
        return Reach(obstacle=Obstacle.LISTENS_HERE_ONLY)
    else:
        hosts = (listens_on,)
    if not hosts:
        return Reach(obstacle=Obstacle.NO_NETWORK)
    return Reach(tuple(url(host, place.port, place.scheme) for host in hosts), is_of_this_network=True)


def parts_of(address: str) -> SplitResult:
    """The parts of an address that a browser sent; all of them are empty where it is none, such as http://[ or http://a:b."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # read when it is asked for
    except ValueError:
        return urlsplit("")
    return parts


def url(host: str, port: int | None, scheme: str = "http") -> str:
    """The address of a server; the port is left out where there is none."""
    host = f"[{host}]" if ":" in host else host
    return f"{scheme or 'http'}://{host}" + (f":{port}" if port else "")


def announce(what: str, host: str, port: int, for_others: bool = True, below: str = "") -> str:
    """Say at the terminal where a server is that listens there; returns its address for this very machine.

    what: a sentence with {own} for that. for_others: also under which addresses other machines reach it. below: the path
    below which it serves, such as "/anomaly".
    """
    own = url("localhost" if is_wildcard(host) else host, port) + below
    print(f"\n  {what.format(own=own)}", flush=True)
    for other in reach(own, host).addresses[:3] if for_others else ():
        print(f"  From other machines: {other}{below}", flush=True)
    print(flush=True)
    return own


def is_wildcard(host: str) -> bool:
    """Whether a server that listens there takes everybody."""
    return host in ("", "0.0.0.0", "::")


def is_own_name(host: str) -> bool:
    """Whether this stands for the very machine that says it: localhost, 127.0.0.1, 0.0.0.0 in a browser, or a bare name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A bare name, such as the computer's, is known to its own machine and often to no phone.
        return host.endswith(".localhost") or "." not in host
    return address.is_loopback or address.is_unspecified


def of_this_machine() -> tuple[str, ...]:
    """Addresses of this machine in its networks, the likeliest first: IPv4 where there is any."""
    tunnelled, found = set(), []
    for name, address in _interfaces():
        if name.startswith(TUNNELS):
            tunnelled.add(address)
        if not name.startswith(OF_CONTAINERS):
            found.append(address)
    used = [address for target in ELSEWHERE if (address := _source(target, socket.AF_INET))]
    known = [address for address in dict.fromkeys([*used[:1], *found, *used]) if not is_own_name(address)]

    def is_unlikely(address: str) -> tuple[bool, bool]:
        return address in tunnelled, ipaddress.ip_address(address).is_link_local

    if known:
        return tuple(sorted(known, key=is_unlikely))
    address = _source(ELSEWHERE_IPV6, socket.AF_INET6)
    return (address,) if address and not is_own_name(address) else ()


def _source(target: str, family: socket.AddressFamily) -> str:
    """The address from which this machine would send to another, "" where no way leads there.

    To connect a socket of UDP sends nothing: the system only looks up the way.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as looking:
            looking.connect((target, 9))
            return str(looking.getsockname()[0])
    except OSError:
        return ""


def _interfaces() -> Iterator[tuple[str, str]]:
    """Names and addresses (IPv4) of network interfaces; none where the system is not Linux."""
    try:
        import fcntl

        names = [name for _, name in socket.if_nameindex()]
    except (ImportError, OSError, AttributeError):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name in names:
            # SIOCGIFADDR of netdevice(7): struct ifreq has the name in 16 bytes, then the address in 4 from the 20th on.
            with suppress(OSError, ValueError):
                answer = fcntl.ioctl(asking, 0x8915, struct.pack("256s", name.encode()[:15]))
                yield name, socket.inet_ntoa(answer[20:24])
