"""nginx: serves a directory."""

from __future__ import annotations

from netlab.plan.model import PlannedNode
from netlab.services.http import MEDIA_TYPES
from netlab.services.programs import Engine, Program, directory
from netlab.topology.given import PortOpen
from netlab.topology.model import HttpService, Service

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

# One process, which stays what it was started as: a worker of root's would become nobody, who may read less,
# and root without its capabilities, as in a container, can give no file to nobody.
# A redirection is the path alone: under which port a client has found it, behind a NAT, nginx does not know.
_CONFIG = """\
daemon off;
master_process off;
user root;
error_log stderr notice;
pid {place}/nginx.pid;

events {{
    worker_connections 1024;
}}

http {{
    access_log /dev/stdout combined;
    absolute_redirect off;
    default_type application/octet-stream;
    charset utf-8;
    charset_types text/plain text/css text/javascript text/markdown;
    types {{
{types}    }}
{temporary}
    server {{
{listen}        root {place}/content;
        index index.html;
    }}
}}
"""


def describe(service: Service, node: PlannedNode) -> Program:
    """Return what it takes to serve with nginx."""
    assert isinstance(service, HttpService)
    place = directory(node, service.kind)
    config = service.config.text if service.config else _config(service, node, place)
    return Program(
        # -e: the log that it opens before it reads its configuration is where it cannot write.
        argv=("nginx", "-e", "stderr", "-p", f"{place}/", "-c", f"{place}/nginx.conf"),
        ready=(PortOpen(service.port),),
        directory=place,
        files=((f"{place}/nginx.conf", config),),
        links=((f"{place}/content", str(service.content)),),
    )


def _config(service: HttpService, node: PlannedNode, place: str) -> str:
    listen = [f"listen {service.port};"]
    listen += [f"listen [::]:{service.port} ipv6only=on;"] if node.has_ipv6 else []
    types = (f"{type_.partition(';')[0]} {suffix};" for suffix, type_ in MEDIA_TYPES.items())
    return _CONFIG.format(
        place=place,
        types="".join(f"        {line}\n" for line in types),
        temporary="".join(f"    {name}_temp_path {place}/{name};\n" for name in _TEMPORARY),
        listen="".join(f"        {line}\n" for line in listen),
    )


ENGINE = Engine(
    name="nginx",
    program="nginx",
    asking=("nginx", "-v"),
    version=r"nginx/(\S+)",
    packages={"debian": "nginx-light", "": "nginx"},
    describe=describe,
    helpers={},
)
