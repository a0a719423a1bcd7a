"""The configuration file of OpenShift's API server, read as flags.

1. `apiServerArguments` maps a flag without its dashes to a list of values.
2. `serviceAccountPublicKeyFiles` names files and directories; of a directory every file counts.
3. The file is JSON, whatever its name says. What it does not know how to say is left to flags.

Source: OpenShift, `KubeAPIServerConfig` of `kubecontrolplane.config.openshift.io/v1`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

_KEY_FILE_FLAG = "service-account-key-file"


class ConfigFileError(Exception):
    """The file cannot be used; the message is one clear line."""


def read_flags(path: Path) -> list[str]:
    """Return the configuration as command line arguments, `--flag=value`.

    Raises:
        ConfigFileError: The file, or a directory of keys, cannot be read or has another shape.
    """
    try:
        config = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigFileError(f"cannot read {path}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ConfigFileError(f"{path} is not JSON: {error}") from error
    arguments = config.get("apiServerArguments") if isinstance(config, dict) else None
    if not isinstance(arguments, dict):
        raise ConfigFileError(f"{path} has no apiServerArguments")
    flags = []
    for name, values in arguments.items():
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise ConfigFileError(f"{path}: apiServerArguments.{name} must be a list of strings")
        flags += [f"--{name}={value}" for value in values]
    for file in _key_files(path, config.get("serviceAccountPublicKeyFiles") or ()):
        flags.append(f"--{_KEY_FILE_FLAG}={file}")
    return flags


def _key_files(path: Path, entries: Any) -> Iterable[Path]:
    for entry in entries:
        if not isinstance(entry, str):
            raise ConfigFileError(f"{path}: serviceAccountPublicKeyFiles must be strings")
        file = Path(entry)
        if file.is_dir():
            yield from sorted(one for one in file.iterdir() if one.is_file())
        elif file.exists():
            yield file
