"""`kubelet.static_pods`: manifests become pods, broken ones are reported and stop no other."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from podpass.api.meta import annotations_of, uid_of
from podpass.api.resources import Object
from podpass.kubelet.pod_spec import CONFIG_HASH, CONFIG_SOURCE, is_static
from podpass.kubelet.static_pods import InvalidManifest, StaticPodSource, static_pod
from podpass.testing.fake_clock import FakeClock


def manifest(name: str = "p", **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]} | spec,
    }


def read(content: bytes, source: str = "/m/p.yaml") -> Object:
    return static_pod(content, source=source, node_name="n", seen="2026-01-01T00:00:00Z")


def test_a_manifest_becomes_a_pod_of_the_node() -> None:
    pod = read(orjson.dumps(manifest()))
    assert pod["metadata"]["name"] == "p-n"
    assert pod["metadata"]["namespace"] == "default"
    assert pod["spec"]["nodeName"] == "n"
    assert annotations_of(pod)[CONFIG_HASH] == uid_of(pod)
    assert annotations_of(pod)[CONFIG_SOURCE] == "file"
    assert is_static(pod)
    assert pod["spec"]["restartPolicy"] == "Always", "defaults are applied"


def test_yaml_is_read_too() -> None:
    text = b"""
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: kube-system}
spec:
  containers:
  - name: c
    image: nginx
"""
    assert read(text)["metadata"]["namespace"] == "kube-system"


def test_the_uid_is_made_of_content_and_place() -> None:
    one = read(orjson.dumps(manifest()))
    assert uid_of(one) == uid_of(read(orjson.dumps(manifest())))
    assert uid_of(one) != uid_of(read(orjson.dumps(manifest(hostNetwork=True))))
    assert uid_of(one) != uid_of(read(orjson.dumps(manifest()), source="/m/q.yaml"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"kind: Pod\nspec: [", "neither JSON nor YAML", id="broken"),
        pytest.param(b"\xff\xfe\x00", "neither JSON nor YAML", id="binary"),
        pytest.param(b"- a", "does not hold an object", id="a list"),
        pytest.param(b"", "does not hold an object", id="empty"),
        pytest.param(b'{"kind": "Service", "apiVersion": "v1"}', "must be a Pod", id="kind"),
        pytest.param(b'{"kind": "Pod", "apiVersion": "v2"}', "must be a Pod", id="version"),
        pytest.param(
            b'{"kind": "Pod", "apiVersion": "v1"}', "metadata.name is missing", id="no metadata"
        ),
        pytest.param(
            b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": 1}}',
            "metadata.name is missing",
            id="name",
        ),
        pytest.param(
            b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}}',
            "spec is missing",
            id="no spec",
        ),
        pytest.param(
            b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{"containers":[1]}}',
            "not those of a Pod",
            id="types",
        ),
        pytest.param(
            orjson.dumps(manifest("P")), "metadata.name: Invalid value", id="a name that is refused"
        ),
        pytest.param(
            orjson.dumps(manifest(containers=[])), "spec.containers: Required", id="no containers"
        ),
        pytest.param(
            orjson.dumps(manifest(volumes=[{"name": "v", "secret": {"secretName": "s"}}])),
            "refers to API objects",
            id="a volume of the API",
        ),
        pytest.param(
            orjson.dumps(
                manifest(
                    containers=[
                        {
                            "name": "c",
                            "image": "nginx",
                            "env": [
                                {
                                    "name": "A",
                                    "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}},
                                }
                            ],
                        }
                    ]
                )
            ),
            "refers to API objects",
            id="an environment of the API",
        ),
    ],
)
def test_what_is_no_static_pod_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidManifest, match=message):
        read(content)


class Source:
    """A directory, and what its reader tells."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = FakeClock()
        self.told: list[list[str]] = []
        self.invalid: list[str] = []
        self.reader = StaticPodSource(
            directory,
            "n",
            self.clock,
            poll=1.0,
            on_pods=lambda pods: self.told.append([one["metadata"]["name"] for one in pods]),
            on_invalid=self.invalid.append,
        )

    def write(self, name: str, content: bytes) -> None:
        self.directory.mkdir(exist_ok=True)
        temporary = self.directory / f".{name}"
        temporary.write_bytes(content)
        temporary.rename(self.directory / name)

    def names(self) -> list[str]:
        return [one["metadata"]["name"] for one in self.reader.pods()]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "manifests")


async def test_changes_of_the_directory_are_told(source: Source) -> None:
    task = asyncio.create_task(source.reader.run())
    await source.clock.advance(0)
    assert source.told == [[]], "also that there are none"
    source.write("p.yaml", orjson.dumps(manifest()))
    await source.clock.advance(1)
    assert source.told == [[], ["p-n"]]
    await source.clock.advance(5)
    assert len(source.told) == 2, "nothing changed"
    (source.directory / "p.yaml").unlink()
    await source.clock.advance(1)
    assert source.told == [[], ["p-n"], []]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_broken_file_keeps_the_pod_it_held_and_all_others(source: Source) -> None:
    source.write("p.yaml", orjson.dumps(manifest()))
    source.write("q.yaml", orjson.dumps(manifest("q")))
    assert source.reader.scan()
    source.write("p.yaml", b"kind: Pod\nspec: [")
    assert not source.reader.scan()
    assert source.names() == ["p-n", "q-n"]
    assert len(source.invalid) == 1
    assert "p.yaml is not used: it is neither JSON nor YAML" in source.invalid[0]
    assert not source.reader.scan()
    assert len(source.invalid) == 1, "it is said once"
    (source.directory / "p.yaml").unlink()
    assert source.reader.scan()
    assert source.names() == ["q-n"]


def test_a_file_that_was_only_touched_is_the_same_pod(source: Source) -> None:
    source.write("p.yaml", orjson.dumps(manifest()))
    source.reader.scan()
    (before,) = source.reader.pods()
    os.utime(source.directory / "p.yaml", (1, 1))
    assert not source.reader.scan()
    assert source.reader.pods() == [before]


def test_a_changed_file_is_another_pod(source: Source) -> None:
    source.write("p.yaml", orjson.dumps(manifest()))
    source.reader.scan()
    (before,) = source.reader.pods()
    source.write("p.yaml", orjson.dumps(manifest(hostNetwork=True)))
    assert source.reader.scan()
    (after,) = source.reader.pods()
    assert uid_of(after) != uid_of(before)


def test_of_two_manifests_of_one_name_the_first_wins(source: Source) -> None:
    source.write("a.yaml", orjson.dumps(manifest(hostNetwork=True)))
    source.write("b.yaml", orjson.dumps(manifest()))
    source.reader.scan()
    for _ in range(2):
        (pod,) = source.reader.pods()
        assert pod["spec"]["hostNetwork"] is True
    assert len(source.invalid) == 1
    assert "b.yaml: pod default/p-n is defined in another manifest already" in source.invalid[0]


def test_hidden_files_directories_and_dangling_links_are_ignored(source: Source) -> None:
    source.write(".hidden", b"x")
    (source.directory / "sub").mkdir()
    (source.directory / "link").symlink_to("nowhere")
    assert not source.reader.scan()
    assert source.invalid == []


@pytest.mark.parametrize(
    "name",
    ["p.yaml~", "p.yaml.bak", "p.yaml.swp", ".p.yaml.swp", "#p.yaml#", ".#p.yaml", "4913", "p.txt"],
)
def test_what_editors_leave_behind_is_ignored(source: Source, name: str) -> None:
    source.write(name, orjson.dumps(manifest("other")))
    source.write("p.yaml", orjson.dumps(manifest()))
    source.write("q.yml", orjson.dumps(manifest("q")))
    source.write("r.json", orjson.dumps(manifest("r")))
    assert source.reader.scan()
    assert source.names() == ["p-n", "q-n", "r-n"]
    assert source.invalid == []


def test_a_manifest_that_is_renamed_to_something_else_is_gone(source: Source) -> None:
    source.write("p.yaml", orjson.dumps(manifest()))
    source.reader.scan()
    (source.directory / "p.yaml").rename(source.directory / "p.yaml.off")
    assert source.reader.scan()
    assert source.names() == []


def test_a_directory_that_cannot_be_read_is_told(source: Source) -> None:
    source.directory.write_text("a file")
    assert not source.reader.scan()
    assert "cannot read" in source.invalid[0]
