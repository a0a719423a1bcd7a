"""The CA bundle in every namespace, exactly."""

from pathlib import Path
from typing import Any

import pytest

from podpass.api.resources import CONFIG_MAPS, NAMESPACES, Object
from podpass.client.rest import RestClient
from podpass.controllers.root_ca import (
    BUNDLE_CHECK_SECONDS,
    DESCRIPTION,
    DESCRIPTION_ANNOTATION,
    RootCaPublisher,
    wanted_config_map,
)
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until

NAME = "kube-root-ca.crt"


def config_map(data: Any, **annotations: str) -> Object:
    return {
        "metadata": {"name": NAME, "namespace": "ns", "annotations": annotations},
        "data": data,
    }


DESCRIBED = {DESCRIPTION_ANNOTATION: DESCRIPTION}


@pytest.mark.rule("root-ca.restored", "root-ca.annotation")
@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        pytest.param(config_map({"ca.crt": "PEM"}, **DESCRIBED), None, id="as it should be"),
        pytest.param(
            config_map({"ca.crt": "PEM"}, **{DESCRIPTION_ANNOTATION: "mine"}),
            None,
            id="another description is left alone",
        ),
        pytest.param(
            config_map({"ca.crt": "PEM"}, other="x"),
            config_map({"ca.crt": "PEM"}, other="x", **DESCRIBED),
            id="description missing",
        ),
        pytest.param(
            config_map({"ca.crt": "edited"}, **DESCRIBED),
            config_map({"ca.crt": "PEM"}, **DESCRIBED),
            id="bundle edited",
        ),
        pytest.param(
            config_map({"ca.crt": "PEM", "more": "x"}, **DESCRIBED),
            config_map({"ca.crt": "PEM"}, **DESCRIBED),
            id="another key",
        ),
        pytest.param(
            config_map(None, **DESCRIBED),
            config_map({"ca.crt": "PEM"}, **DESCRIBED),
            id="no data at all",
        ),
        pytest.param(
            None,
            {"apiVersion": "v1", "kind": "ConfigMap"} | config_map({"ca.crt": "PEM"}, **DESCRIBED),
            id="missing",
        ),
    ],
)
def test_wanted_config_map(current: Object | None, wanted: Object | None) -> None:
    assert wanted_config_map(current, "ns", "PEM") == wanted


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "ca.crt"
    path.write_text("PEM")
    return path


@pytest.fixture
async def publisher(
    client: RestClient,
    informers: SharedInformers,
    clock: FakeClock,
    background: Background,
    bundle: Path,
) -> RootCaPublisher:
    publisher = RootCaPublisher(client, informers, clock, bundle)
    background.start(publisher.run())
    return publisher


def published(simulator: ApiSimulator) -> Any:
    found = simulator.object(CONFIG_MAPS, "ns", NAME)
    return found and found["data"]


@pytest.mark.rule("root-ca.published", "root-ca.restored", "config.controller-manager")
@pytest.mark.usefixtures("publisher")
async def test_it_is_published_and_kept(simulator: ApiSimulator) -> None:
    simulator.put(NAMESPACES, {"metadata": {"name": "ns"}, "status": {"phase": "Active"}})
    await until(lambda: published(simulator) == {"ca.crt": "PEM"})
    simulator.put(CONFIG_MAPS, config_map({"ca.crt": "forged", "more": "x"}))
    await until(lambda: published(simulator) == {"ca.crt": "PEM"})
    simulator.remove(CONFIG_MAPS, "ns", NAME)
    await until(lambda: published(simulator) == {"ca.crt": "PEM"})


@pytest.mark.usefixtures("publisher")
async def test_a_new_bundle_reaches_all_namespaces(
    simulator: ApiSimulator, clock: FakeClock, bundle: Path
) -> None:
    simulator.put(NAMESPACES, {"metadata": {"name": "ns"}, "status": {"phase": "Active"}})
    await until(lambda: published(simulator))
    bundle.unlink()
    await clock.advance(BUNDLE_CHECK_SECONDS)
    bundle.write_text("NEW")
    await clock.advance(BUNDLE_CHECK_SECONDS)
    await until(lambda: published(simulator) == {"ca.crt": "NEW"})


async def test_other_config_maps_are_not_kept_in_memory(
    simulator: ApiSimulator, informers: SharedInformers
) -> None:
    simulator.put(
        CONFIG_MAPS, {"metadata": {"name": "large", "namespace": "ns"}, "data": {"a": "b"}}
    )
    await until(lambda: informers[CONFIG_MAPS].get("ns", "large"))
    found = informers[CONFIG_MAPS].get("ns", "large")
    assert found is not None
    assert "data" not in found


@pytest.mark.rule("root-ca.terminating")
@pytest.mark.usefixtures("publisher")
async def test_a_namespace_that_ends_gets_none(simulator: ApiSimulator) -> None:
    simulator.put(NAMESPACES, {"metadata": {"name": "old"}, "status": {"phase": "Terminating"}})
    simulator.put(NAMESPACES, {"metadata": {"name": "ns"}, "status": {"phase": "Active"}})
    await until(lambda: published(simulator) == {"ca.crt": "PEM"})
    made = [one["metadata"]["namespace"] for one in simulator.objects(CONFIG_MAPS)]
    assert made == ["ns"]
