"""nginx before a registry or ChartMuseum, as its users configure it.

with Registry(tmp_path / "r") as registry, Nginx(tmp_path / "n", upstream=registry.url, max_body="1m") as nginx:
    ...
"""

import getpass
from collections.abc import Sequence
from pathlib import Path

from tests.support.process import Process, answers, find_program, free_port

# As in distribution's "Authenticate proxy with nginx", without the authentication.
CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size {max_body};
        chunked_transfer_encoding on;
        location / {{
            proxy_pass {upstream};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_request_buffering {request_buffering};
            proxy_read_timeout 900;
        }}
    }}
}}
"""


class Nginx(Process):
    """A request body of more than `max_body` is refused (nginx's own word for a size; 0 is no limit)."""

    name = "nginx"

    def __init__(
        self, folder: Path, *, upstream: str, max_body: str = "1m", request_buffering: bool = True
    ) -> None:
        super().__init__(folder)
        self.program = find_program("nginx")
        self.port = free_port()
        self.configuration = folder / "nginx.conf"
        document = CONFIGURATION.format(
            folder=folder,
            # Its workers would leave root for a user that may not read the folders of a test.
            user=f"user {getpass.getuser()};" if getpass.getuser() == "root" else "",
            port=self.port,
            max_body=max_body,
            upstream=upstream,
            request_buffering="on" if request_buffering else "off",
        )
        self.configuration.write_text(document)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def command(self) -> Sequence[str]:
        return self.program, "-e", "stderr", "-p", str(self.folder), "-c", str(self.configuration)

    def is_ready(self) -> bool:
        return answers(self.url)
