"""The two files that deploy/nginx.conf includes: `python -m deploy.configure --listen 8501 --to FOLDER HOST:PORT …`."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

HELPERS = 3
"""How many others take in the visitors of a replica that is gone."""


def replicas_conf(replicas: Sequence[str], cache: Path) -> str:
    """Upstreams and the names of replicas, 1, 2, …, which stand at these addresses (host:port); a folder for static files.

    `anyone` takes newcomers in turn. Each replica has a group of its own with others behind it, which take in its
    visitors alike when it is gone.
    """
    names = range(1, len(replicas) + 1)
    # A newcomer is not sent where nobody answered a moment ago. A visitor's own replica is always asked first:
    # one mishap shall not scatter the sessions of all who are there.
    parts = [_upstream("anyone", [f"{place} max_fails=1 fail_timeout=5s" for place in replicas])]
    for home, name in zip(replicas, names, strict=True):
        next_ones = [*replicas[name:], *replicas[: name - 1]][:HELPERS]
        others = [f"{place} max_fails=1 fail_timeout=5s backup" for place in next_ones]
        parts.append(_upstream(f"replica-{name}", [f"{home} max_fails=0", *others]))
    cookies = [f"    {name} replica-{name};" for name in names]
    # Of several that were asked, the last one answered.
    answers = [f'    "~(^|[ ,]){re.escape(place)}$" {name};' for place, name in zip(replicas, names, strict=True)]
    parts.append("\n".join(["map $cookie_replica $replica {", *cookies, "    default anyone;", "}"]))
    parts.append("\n".join(["map $upstream_addr $answering_replica {", *answers, '    default "";', "}"]))
    parts.append(f'proxy_cache_path "{cache}" keys_zone=static:1m max_size=100m inactive=30d use_temp_path=off;')
    return "\n".join(parts) + "\n"


def _upstream(name: str, servers: Sequence[str]) -> str:
    # The zone: nginx's workers take turns together, and know together who is dead. A server takes less than 1 kB.
    return "\n".join(
        [f"upstream {name} {{", f"    zone {name} {64 + len(servers)}k;", *[f"    server {server};" for server in servers], "}"]
    )


def write(folder: Path, listen: str, replicas: Sequence[str], cache: Path) -> None:
    """Make FOLDER/see-the-anomaly with both files; a listen.conf that is there, with certificates, stays."""
    place = folder / "see-the-anomaly"
    place.mkdir(parents=True, exist_ok=True)
    (place / "replicas.conf").write_text(replicas_conf(replicas, cache))
    if not (place / "listen.conf").exists():
        (place / "listen.conf").write_text(f"listen {listen};\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("replicas", nargs="+", metavar="HOST:PORT", help="addresses, as numbers where nginx has no names")
    parser.add_argument("--listen", default="8501", help="what nginx listens on")
    parser.add_argument("--to", type=Path, default=Path("/etc/nginx"), help="where nginx's own configuration is")
    parser.add_argument("--cache", type=Path, default=Path("/var/lib/nginx/see-the-anomaly"), help="nginx makes it")
    asked = parser.parse_args()
    write(asked.to, asked.listen, asked.replicas, asked.cache)


if __name__ == "__main__":
    main()
