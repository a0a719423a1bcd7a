"""The home's copy of the audit policy, which every API server of the cluster reads."""

from __future__ import annotations

from pathlib import Path

from podpass.base.files import write_file
from podpass.bootstrap.cluster import Cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.operator.static_pod_template import AUDIT_POLICY


def keep_audit_policy(home: Home, file: Path | None) -> bool:
    """Check the policy in `file` and copy it into a home that is being made.

    Without one, the copy that a failed attempt to make this home has left is removed.

    Returns:
        Whether there was one.

    Raises:
        HomeError: It is no policy, or cannot be read or copied.
    """
    kept = home.audit / AUDIT_POLICY
    content = None if file is None else _checked(file)
    try:
        if content is None:
            kept.unlink(missing_ok=True)
            return False
        home.audit.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(kept, content)
    except OSError as error:
        raise HomeError(f"cannot copy the audit policy to {kept}: {error.strerror}") from error
    return True


def check_same_policy(home: Home, cluster: Cluster, file: Path | None) -> None:
    """See that `file`, if given, is the policy that the cluster was made with.

    Raises:
        HomeError: It is another one, or is no policy, or one of the two cannot be read.
    """
    if file is None:
        return
    content = _checked(file)
    kept = home.audit / AUDIT_POLICY
    try:
        same = cluster.audit_policy and kept.read_bytes() == content
    except OSError as error:
        raise HomeError(
            f"cannot read the audit policy of the cluster, {kept}: {error.strerror}; "
            f"put it back, for example from {file}"
        ) from error
    if not same:
        made_with = "another audit policy" if cluster.audit_policy else "no audit policy"
        raise HomeError(
            f"the cluster in {home.root} was made with {made_with}; for {file} give another --home"
        )


def _checked(file: Path) -> bytes:
    from podpass.apiserver.audit_policy import (  # noqa: PLC0415 - rarely given
        AuditUnusable,
        parse_policy,
    )

    try:
        content = file.read_bytes()  # once: what is checked is what is kept
        parse_policy(content, str(file))
    except OSError as error:
        raise HomeError(f"cannot read the audit policy {file}: {error.strerror}") from error
    except AuditUnusable as error:
        raise HomeError(f"{error}; correct the file given as --audit-policy") from error
    return content
