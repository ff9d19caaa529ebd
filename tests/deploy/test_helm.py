"""The chart, rendered by Helm's own library and judged by the schemas of Kubernetes; ``make test-deploy`` brings both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.one_python("what is judged are files, by other people's programs")

helm = pytest.importorskip("helm_python", reason="Helm's library is not here: make test-deploy brings it")
validate = pytest.importorskip("kubernetes_validate", reason="make test-deploy brings kubernetes-validate")
yaml = pytest.importorskip("yaml", reason="make test-deploy brings PyYAML")

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "llm-proxy-api"
#: The oldest and the newest Kubernetes that the chart is for.
VERSIONS = ("1.27", "1.33")
#: No schema of it is in Kubernetes itself.
FOREIGN = {"ServiceMonitor"}
EVERYTHING: dict[str, Any] = {
    "models": {"openai": {"gpt-*": {"api_token": "${file:/keys/openai}"}}},
    "prompts": {"en": {"conversation.prompt": "You\nare"}, "pt_BR": {"tone.prompt": "{{ tone }}: 'x'"}},
    "keys": {"values": {"openai": "sk-1"}},
    "settings": {"WORKERS": 2, "HOST": "::"},
    "access": {"enabled": True, "content": {"keys": {}}},
    "autoscaling": {"enabled": True},
    "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {}}]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "ingress": {"enabled": True, "host": "llm.example", "className": "nginx", "tlsSecret": "tls"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"operator": "Exists"}],
    "podAnnotations": {"a": "b"},
    "imagePullSecrets": [{"name": "mine"}],
}


def rendered(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects of a release."""
    files = helm.Chart.load(str(CHART)).render(dict(values), name="r1", namespace="default")
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [thing for text in texts for thing in yaml.safe_load_all(text) if thing]


def of_kind(things: list[dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    return (thing for thing in things if thing["kind"] == kind)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["as it comes", "everything on"])
def test_every_object_is_one_of_kubernetes(values: dict[str, Any], version: str) -> None:
    """Strictly: no field that it does not know, no value of another type."""
    things = rendered(values)

    assert {"Deployment", "Service", "ConfigMap", "Secret"} <= {thing["kind"] for thing in things}
    for thing in things:
        if thing["kind"] not in FOREIGN:
            validate.validate(thing, version, strict=True)


def test_the_chart_is_sound() -> None:
    """By Helm's own linter."""
    said = helm.lint(str(CHART))

    assert said["errors"] == []
    assert [line["error"] for line in said["messages"] if line["severity"] > 1] == []


def test_an_edit_of_what_is_live_changes_no_pod() -> None:
    """Models, prompt files, keys and access: the Deployment is the same to the byte; so nothing rolls."""
    before = {**EVERYTHING, "prompts": {"en": {"a.prompt": "A"}}}
    after = {
        **before,
        "models": {"ollama": {"llama3.2": {}}},
        "prompts": {"en": {"a.prompt": "B", "b.prompt": "C"}},
        "keys": {"values": {"other": "sk-2"}},
        "access": {"enabled": True, "content": {"keys": {"k": {"hash": "sha256:00"}}}},
    }
    first, second = rendered(before), rendered(after)

    assert first != second
    assert json.dumps(list(of_kind(first, "Deployment"))) == json.dumps(list(of_kind(second, "Deployment")))


def test_pods_stop_gently_and_can_do_little() -> None:
    """What a rolling restart needs, and what a breach would not find."""
    (deployment,) = of_kind(rendered(EVERYTHING), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}

    assert pod["terminationGracePeriodSeconds"] >= int(env["LLM_PROXY_API_DRAIN_SECONDS"]) + 15
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsUser"] == 65532
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert all("subPath" not in mount for mount in container["volumeMounts"])
    assert (env["LLM_PROXY_API_WORKERS"], env["LLM_PROXY_API_HOST"]) == ("2", "::")
    assert len(env) == len(container["env"])


def test_metrics_are_scraped_where_no_key_is_asked_for() -> None:
    """On the port of their own, which the pod, the Service and the policy know; without a ServiceMonitor there is none."""
    things = rendered(EVERYTHING)
    (deployment,), (service,) = of_kind(things, "Deployment"), of_kind(things, "Service")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    (monitor,), (policy,) = of_kind(things, "ServiceMonitor"), of_kind(things, "NetworkPolicy")
    (endpoint,) = monitor["spec"]["endpoints"]

    assert str(ports["metrics"]) == env["LLM_PROXY_API_METRICS_PORT"] == "9464"
    assert endpoint["port"] == "metrics"
    assert {port["name"]: port["targetPort"] for port in service["spec"]["ports"]}["metrics"] == "metrics"
    assert {"port": "metrics"} in policy["spec"]["ingress"][0]["ports"]
    assert "METRICS_PORT" not in json.dumps(rendered({}))


def test_a_wrong_value_is_named() -> None:
    """The schema of the values says where it stands."""
    with pytest.raises(helm.HelmError, match="replicas"):
        rendered({"replicas": "many"})
    with pytest.raises(helm.HelmError, match="modles"):
        rendered({"modles": {}})
