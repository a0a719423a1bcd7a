"""What Go's `url.Parse` refuses, in its words: the only check that an issuer with a colon gets.

Almost everything is a URL to it. Source: Go, `net/url`, `parse`, `getScheme`, `parseAuthority`.
"""

from __future__ import annotations

import re

import orjson

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})(.{0,2})", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_HOST_FORBIDDEN = re.compile(r'[\x00-\x20"<>\\^`{|}#]')
_USERINFO = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def url_error(text: str) -> str:
    """Return why Go cannot read `text` as a URL, e.g. `parse ":x": missing protocol scheme`.

    Returns:
        An empty string if it can.
    """
    rest, _, fragment = text.partition("#")
    why = _why(rest) or _escape_error(fragment)
    return f"parse {orjson.dumps(text).decode()}: {why}" if why else ""


def _why(rest: str) -> str:
    if _CONTROL.search(rest):
        return "net/url: invalid control character in URL"
    if rest == "*":
        return ""
    before, colon, after = rest.partition(":")
    if colon and not before:
        return "missing protocol scheme"
    has_scheme = bool(colon and _SCHEME.match(before))
    path = after if has_scheme else rest
    path = path.partition("?")[0]
    if not path.startswith("/"):
        if has_scheme:
            return ""  # opaque, as in mailto:someone
        if ":" in path.partition("/")[0]:
            return "first path segment in URL cannot contain colon"
        return _escape_error(path)
    if path.startswith("//") and (has_scheme or not path.startswith("///")):
        authority, slash, tail = path[2:].partition("/")
        return _authority_error(authority) or _escape_error(slash + tail)
    return _escape_error(path)


def _authority_error(authority: str) -> str:
    userinfo, at, host = authority.rpartition("@")
    if at and not _USERINFO.match(userinfo):
        return "net/url: invalid userinfo"
    if at and (error := _escape_error(userinfo)):
        return error
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            return "missing ']' in host"
        return _port_error(host[end + 1 :])
    if ":" in host and (error := _port_error(host[host.rindex(":") :])):
        return error
    if forbidden := _HOST_FORBIDDEN.search(host):
        return f"invalid character {orjson.dumps(forbidden[0]).decode()} in host name"
    return _host_escape_error(host)


def _port_error(port: str) -> str:
    """Return what is wrong with what follows the host: nothing, or a colon and digits."""
    if not port or re.fullmatch(r":[0-9]*", port):
        return ""
    return f"invalid port {orjson.dumps(port).decode()} after host"


def _escape_error(text: str) -> str:
    bad = _ESCAPE.search(text)
    return f"invalid URL escape {orjson.dumps('%' + bad[1]).decode()}" if bad else ""


def _host_escape_error(host: str) -> str:
    """Return what is wrong with escapes in a host: only bytes that are not ASCII may have one."""
    if error := _escape_error(host):
        return error
    for match in re.finditer(r"%([0-9A-Fa-f]{2})", host):
        if int(match[1], 16) < 0x80 and match[0] != "%25":  # noqa: PLR2004 - ASCII
            return f"invalid URL escape {orjson.dumps(match[0]).decode()}"
    return ""
