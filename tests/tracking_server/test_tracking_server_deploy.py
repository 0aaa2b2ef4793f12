"""The deployment files fit their schemas, and keep the stores where only MLflow reaches them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, cast

import kubernetes_validate
import pytest
import yaml

from medcairn.tracking.server.settings import ServerFolder, TrackingServerSettings

DEPLOY = Path(str(resources.files("medcairn.tracking.server").joinpath("deploy")))
MANIFESTS = [
    (path.name, position, manifest)
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for position, manifest in enumerate(yaml.safe_load_all(path.read_text()))
]


@pytest.mark.parametrize(("name", "position", "manifest"), MANIFESTS)
def test_a_manifest_fits_the_schema_of_kubernetes(name: str, position: int, manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, "1.30", strict=True)


def test_pods_have_no_rights_and_name_their_secrets_only() -> None:
    for _, _, manifest in MANIFESTS:
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            pod = manifest["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            assert pod["automountServiceAccountToken"] is False
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert "password" not in str(container.get("env", "")).lower().replace(
                "password_file", ""
            ).replace("/password", "")


def test_only_mlflow_reaches_the_stores_and_only_the_proxy_reaches_mlflow() -> None:
    policies = {m["metadata"]["name"]: m["spec"] for _, _, m in MANIFESTS if m["kind"] == "NetworkPolicy"}

    def reached_by(name: str) -> set[str]:
        return {
            peer["podSelector"]["matchLabels"]["app"]
            for rule in policies[name]["ingress"]
            for peer in rule.get("from", [])
        }

    assert policies["nothing-by-default"]["podSelector"] == {}
    assert reached_by("mlflow") == {"sign-in"}
    assert reached_by("database") == reached_by("objects") == {"mlflow"}
    assert policies["database"]["egress"] == policies["objects"]["egress"] == []


def _compose() -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def test_the_compose_file_fits_the_compose_specification() -> None:
    compose_spec = pytest.importorskip(
        "compose_spec", reason="pip install compose-spec, which knows the schema"
    )
    text = (DEPLOY / "compose.yaml").read_text()
    parsed = compose_spec.PyCompose.from_yaml(text)
    parsed.validate()
    assert set(parsed.service_names()) == {"sign-in", "mlflow", "database", "objects"}
    with pytest.raises(ValueError, match="cap_dropped"):
        compose_spec.PyCompose.from_yaml(text.replace("cap_drop", "cap_dropped"))


def test_only_the_proxy_has_a_port_and_the_stores_a_network_without_a_way_out() -> None:
    compose = _compose()
    services = compose["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["sign-in"]
    assert compose["networks"]["stores"]["internal"] is True
    assert compose["networks"]["guarded"]["internal"] is True
    assert [name for name, service in services.items() if "stores" in service["networks"]] == [
        "mlflow", "database", "objects"
    ]  # fmt: skip


def test_the_settings_of_the_example_are_settings(tmp_path: Path) -> None:
    (tmp_path / "tracking-server.yaml").write_text((DEPLOY / "tracking-server.yaml").read_text())
    settings = ServerFolder(tmp_path).settings()
    proxy = _compose()["services"]["sign-in"]["networks"]["guarded"]["ipv4_address"]
    assert settings.proxy is not None
    assert settings.proxy.networks == (f"{proxy}/32",)
    (inner,) = [m for _, _, m in MANIFESTS if m["metadata"]["name"] == "mlflow-settings"]
    TrackingServerSettings.model_validate(yaml.safe_load(inner["data"]["tracking-server.yaml"]))
