"""The files an operator copies name things that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from service.metrics import GAUGES, PrometheusMetrics

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/order-ledger.json").read_text())
METRIC = re.compile(r"\b(?:order_ledger_\w+|reconcile_mismatch_count)\b")


def yaml(name: str) -> Any:
    return YAML(typ="safe").load(DEPLOY / name)


def exposed() -> set[str]:
    """Every name that a scrape can show."""
    metrics = PrometheusMetrics()
    for name in GAUGES:
        metrics.watch(name, lambda: 0)
    text = metrics.render().decode()
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for group in yaml("prometheus/alerts.yml")["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_every_metric_that_is_shown_or_rings_is_exposed() -> None:
    """A panel on a name that was changed stays empty, and an alarm silent."""
    named = {name for text in expressions() for name in METRIC.findall(text)}
    assert len(named) > 8
    assert named <= exposed()


def test_panels_do_not_overlap() -> None:
    """Grafana would move them, and the first look is the one that counts."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_panels_have_ids_titles_and_a_provisioned_source() -> None:
    """A panel without its source asks the user to choose one."""
    source = yaml("grafana/provisioning/datasources/prometheus.yaml")["datasources"][0]
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == source["uid"]


def test_what_compose_mounts_is_there() -> None:
    """Docker makes an empty folder of a missing file and starts all the same."""
    for service in yaml("compose.yaml")["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":", 1)[0]
            is_made_by_the_user = source.endswith("/token")
            if source.startswith("./") and not is_made_by_the_user:
                assert (DEPLOY / source).exists(), source


def test_the_image_copies_folders_that_exist() -> None:
    """A renamed package would be missing from the image."""
    text = (DEPLOY / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (DEPLOY.parent / source).exists(), source


def test_nothing_listens_beyond_loopback() -> None:
    """Whoever copies these files must not open the ledger to the network."""
    compose = yaml("compose.yaml")
    for service in compose["services"].values():
        assert service["network_mode"] == "host"
        assert "ports" not in service
    assert "0.0.0.0" not in (DEPLOY / "compose.yaml").read_text()  # noqa: S104 -- it must not be
    assert "--host" not in (DEPLOY / "order-ledger.service").read_text()
