"""What the environment says of the web around the app: who may show it, whose word counts, how many come."""

import ipaddress
import os
import re
from contextlib import suppress
from urllib.parse import urlsplit

from core.errors import SettingError
from core.server.environment import whole_number_from_environment

MAX_CONNECTIONS = 1000
"""Open pages on one server where MAX_CONNECTIONS does not say."""

MAX_FROM_ONE_ADDRESS = 200
"""The same for one address, which a whole school may share."""


def embed_origins() -> tuple[str, ...]:
    """EMBED_ORIGINS: the sites that may show the app in a frame, such as https://moodle.example.org. Raises SettingError."""
    origins = os.environ.get("EMBED_ORIGINS", "").replace(",", " ").split()
    for origin in origins:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:\d{1,5})?", origin):
            raise SettingError(
                "EMBED_ORIGINS in the environment lists sites such as https://moodle.example.org, not “{text}”.",
                text=origin[:60],
            )
    return tuple(origins)


def proxies() -> str:
    """FORWARDED_ALLOW_IPS: addresses whose X-Forwarded-For is believed, with commas; none unless set. Raises SettingError."""
    text = os.environ.get("FORWARDED_ALLOW_IPS", "").replace(" ", "")
    for part in filter(None, text.split(",")):
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise SettingError(
                "FORWARDED_ALLOW_IPS in the environment lists addresses of proxies such as 127.0.0.1, not “{text}”.",
                text=part[:60],
            ) from None
    return text


def proxy_address() -> tuple[str, int] | None:
    """PROXY_ADDRESS: host and port where a proxy on this machine listens, such as 0.0.0.0:80; None unless set.

    Raises SettingError.
    """
    text = os.environ.get("PROXY_ADDRESS", "").strip()
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingError(
            "PROXY_ADDRESS in the environment says where a proxy listens, such as 0.0.0.0:80, not “{text}”.", text=text[:60]
        )
    return host.strip("[]"), int(port)


def public_url() -> str:
    """PUBLIC_URL: where a class finds the app, such as https://anomaly.example.org; "" unless set. Raises SettingError."""
    text = os.environ.get("PUBLIC_URL", "").strip()
    is_usable = False
    with suppress(ValueError):  # a port that is no number, brackets that are not closed
        parts = urlsplit(text)
        is_usable = (
            parts.scheme in ("http", "https")
            and bool(re.fullmatch(r"[A-Za-z0-9.-]+|[0-9a-f:]+", parts.hostname or ""))
            and "@" not in parts.netloc
            and parts.port != 0
            and text.rstrip("/") == f"{parts.scheme}://{parts.netloc}"
        )
    if text and not is_usable:
        raise SettingError(
            "PUBLIC_URL in the environment is the address of the app, such as https://anomaly.example.org, not “{text}”.",
            text=text[:60],
        )
    return text.rstrip("/")


def most_connections() -> int:
    """MAX_CONNECTIONS. Raises SettingError."""
    return whole_number_from_environment("MAX_CONNECTIONS", MAX_CONNECTIONS)


def most_from_one_address() -> int:
    """MAX_CONNECTIONS_PER_ADDRESS. Raises SettingError."""
    return whole_number_from_environment("MAX_CONNECTIONS_PER_ADDRESS", MAX_FROM_ONE_ADDRESS)


def require_usable() -> None:
    """Raises SettingError for a setting that cannot be used."""
    embed_origins()
    proxies()
    proxy_address()
    public_url()
    most_connections()
    most_from_one_address()
