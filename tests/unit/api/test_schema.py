"""The schema tables: what JSON flattens, what merges, and that the data files agree."""

import pytest

from podpass.api import schema
from podpass.api.resources import RESOURCES, Resource
from podpass.api.schema import CORE, META


@pytest.mark.parametrize(
    ("api_version", "kind", "message"),
    [
        pytest.param("v1", "Pod", CORE + "Pod", id="core kind"),
        pytest.param(
            "rbac.authorization.k8s.io/v1", "Role", "k8s.io.api.rbac.v1.Role", id="other group"
        ),
        pytest.param("v1", "Status", META + "Status", id="status is of package meta"),
        pytest.param("batch/v1", "DeleteOptions", META + "DeleteOptions", id="options anywhere"),
        pytest.param("v1", "Nothing", None, id="unknown kind"),
        pytest.param("nowhere/v1", "Pod", None, id="unknown group"),
    ],
)
def test_message_for(api_version: str, kind: str, message: str | None) -> None:
    assert schema.message_for(api_version, kind) == message


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.qualified)
def test_every_served_kind_has_a_schema(resource: Resource) -> None:
    assert schema.message_for(resource.api_version, resource.kind) is not None


def test_every_message_refers_only_to_messages_there_are() -> None:
    missing = {
        field.type
        for message in schema._messages()
        for field in schema.wire_fields(message).values()
        if field.is_message and not schema.has_message(field.type)
    }
    assert missing <= {"k8s.io.api.core.v1.PodTemplateSpec"}


@pytest.mark.parametrize(
    ("message", "name", "owner"),
    [
        pytest.param("Volume", "projected", "VolumeSource", id="volume source in the volume"),
        pytest.param("Probe", "httpGet", "ProbeHandler", id="handler in the probe"),
        pytest.param("SecretProjection", "name", "LocalObjectReference", id="name of a reference"),
        pytest.param("EphemeralContainer", "image", "EphemeralContainerCommon", id="ephemeral"),
    ],
)
def test_json_flattens_embedded_messages(message: str, name: str, owner: str) -> None:
    assert schema.fields(CORE + message)[name].owner == CORE + owner


def test_the_wire_keeps_embedded_messages() -> None:
    assert schema.wire_fields(CORE + "Volume")[2].inline
    assert "volumeSource" not in schema.fields(CORE + "Volume")


def test_fields_of_an_unknown_message_are_an_error() -> None:
    with pytest.raises(KeyError):
        schema.wire_fields("nowhere.Nothing")


def test_strategies_and_keys_of_lists() -> None:
    volumes = schema.fields(CORE + "PodSpec")["volumes"]
    assert (volumes.strategies, volumes.merge_key) == (("merge", "retainKeys"), "name")
    assert schema.list_map_keys(schema.fields(CORE + "Container")["ports"]) == (
        "containerPort",
        "protocol",
    )
    assert schema.list_map_keys(schema.fields(CORE + "Container")["args"]) == ()


def test_pointers_and_fields_that_are_always_shown() -> None:
    spec = schema.fields(CORE + "PodSpec")
    assert spec["enableServiceLinks"].nullable
    assert not spec["hostNetwork"].nullable
    assert spec["containers"].always
    assert not spec["volumes"].always


def test_maps_know_the_type_of_their_values() -> None:
    data = schema.fields(CORE + "Secret")["data"]
    assert (data.label, data.type) == ("map", "bytes")
