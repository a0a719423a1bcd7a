"""Image names are completed as docker does it."""

from __future__ import annotations

import pytest

from podpass.kubelet.image_reference import parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "complete", "library"),
    [
        pytest.param("nginx", "docker.io/library/nginx:latest", "nginx", id="a bare name"),
        pytest.param("nginx:1.25", "docker.io/library/nginx:1.25", "nginx", id="with a tag"),
        pytest.param("library/nginx", "docker.io/library/nginx:latest", "nginx", id="library"),
        pytest.param("docker.io/nginx", "docker.io/library/nginx:latest", "nginx", id="docker.io"),
        pytest.param(
            "index.docker.io/library/nginx", "docker.io/library/nginx:latest", "nginx", id="index"
        ),
        pytest.param("me/nginx", "docker.io/me/nginx:latest", "", id="somebody's on docker.io"),
        pytest.param(
            "registry.example/x/nginx", "registry.example/x/nginx:latest", "", id="a registry"
        ),
        pytest.param("localhost/nginx", "localhost/nginx:latest", "", id="localhost"),
        pytest.param("host:5000/nginx:2", "host:5000/nginx:2", "", id="a port and a tag"),
        pytest.param(
            f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}", "nginx", id="a digest"
        ),
    ],
)
def test_names_are_completed(name: str, complete: str, library: str) -> None:
    reference = parse_reference(name)
    assert str(reference) == complete
    assert reference.library_name == library
    assert parse_reference(complete) == reference


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="nothing"),
        pytest.param("Nginx", id="upper case"),
        pytest.param("nginx:", id="an empty tag"),
        pytest.param("nginx:a b", id="a blank"),
        pytest.param("a//b", id="an empty part"),
        pytest.param("../etc", id="dots"),
        pytest.param("nginx@sha256:short", id="a short digest"),
        pytest.param("nginx:" + "t" * 129, id="a tag too long"),
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="invalid reference format"):
        parse_reference(name)


def test_a_tag_may_have_128_characters() -> None:
    assert parse_reference("nginx:" + "t" * 128).tag == "t" * 128


@pytest.mark.parametrize(
    ("name", "familiar"),
    [
        pytest.param("nginx", "nginx", id="official"),
        pytest.param("me/app:1", "me/app", id="somebody's"),
        pytest.param("host:5000/app", "host:5000/app", id="elsewhere"),
    ],
)
def test_tables_show_the_familiar_name(name: str, familiar: str) -> None:
    assert parse_reference(name).familiar_name == familiar
