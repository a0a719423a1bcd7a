"""The home's copy of the audit policy, which every API server of the cluster reads."""

from __future__ import annotations

from pathlib import Path

from podpass.base.files import write_file
from podpass.bootstrap.home import Home, HomeError
from podpass.operator.static_pod_template import AUDIT_POLICY


def keep_audit_policy(home: Home, file: Path | None) -> bool:
    """Check the policy in `file` and copy it into a new home.

    Returns:
        Whether there was one.

    Raises:
        HomeError: It is no policy, or cannot be read or copied.
    """
    if file is None:
        return False
    content = _checked(file)
    try:
        home.audit.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(home.audit / AUDIT_POLICY, content)
    except OSError as error:
        raise HomeError(f"cannot copy the audit policy: {error}") from error
    return True


def check_same_policy(home: Home, file: Path | None) -> None:
    """See that `file`, if given, is the policy that the home was made with.

    Raises:
        HomeError: It is another one, or is no policy.
    """
    if file is None:
        return
    content = _checked(file)
    kept = home.audit / AUDIT_POLICY
    if not kept.exists() or kept.read_bytes() != content:
        raise HomeError(
            f"the cluster in {home.root} was made with another audit policy, or none; "
            f"for {file} give another --home"
        )


def _checked(file: Path) -> bytes:
    from podpass.apiserver.audit_policy import (  # noqa: PLC0415 - rarely given
        AuditUnusable,
        load_policy,
    )

    try:
        load_policy(file)
        return file.read_bytes()
    except (AuditUnusable, OSError) as error:
        raise HomeError(f"{error}; correct the file given as --audit-policy") from error
