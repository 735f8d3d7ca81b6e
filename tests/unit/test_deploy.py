"""What deploy/ says is what the code does: settings, ports, topics, rights and limits; and each file fits its own schema."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from schemas.topics import INPUT_TOPICS, PRINCIPALS, REPLAN_REQUESTS, TOPICS
from streams.acls import Acl, wanted_acls
from streams.cli import app
from streams.settings import Settings
from streams.strimzi import resource_name, strimzi_resources
from streams.topic_admin import topic_config
from streams.twin_worker import STOP_TIMEOUT_S

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
KUBERNETES_VERSION = "1.31"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
ROLES = ("ingest", "twin", "solver", "web")
IMAGE = (DEPLOY / "Dockerfile").read_text("utf-8")


def manifests(folder: str) -> list[dict[str, Any]]:
    """Every resource of a folder of manifests."""
    files = sorted((DEPLOY / "kubernetes" / folder).glob("*.yaml"))
    return [
        body
        for path in files
        if path.name != "kustomization.yaml"
        for body in yaml.safe_load_all(path.read_text("utf-8"))
    ]


BASE = manifests("base")
STRIMZI = manifests("strimzi")
WORKLOADS = {body["metadata"]["name"]: body for body in BASE if body["kind"] in ("Deployment", "StatefulSet")}


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in BASE if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pod(role: str) -> dict[str, Any]:
    spec: dict[str, Any] = WORKLOADS[role]["spec"]["template"]["spec"]
    return spec


def container(role: str) -> dict[str, Any]:
    (only,) = pod(role)["containers"]
    made: dict[str, Any] = only
    return made


def environment(role: str) -> dict[str, str]:
    """What a role of Kubernetes is told, the common settings included."""
    own = {each["name"]: each.get("value", f"{role}-0") for each in container(role)["env"]}
    return {**named("ConfigMap", "foresite")["data"], **own}


def crd(path: str) -> Any:
    body = yaml.safe_load((ROOT / "tests" / "vendor" / path).read_text("utf-8"))
    (version,) = [each for each in body["spec"]["versions"] if each["storage"]]
    return body["spec"]["group"], version["name"], version["schema"]["openAPIV3Schema"]


# Each file fits its own schema ------------------------------------------------------------------------------------


def test_yamllint_finds_nothing() -> None:
    done = subprocess.run(
        [BIN / "yamllint", "--strict", "deploy"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stdout)


def test_compose_fits_the_compose_specification() -> None:
    """The schema is that of check-jsonschema's package; its command wants another version of a library than we have."""
    path = distribution("check-jsonschema").locate_file(
        "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
    )
    schema = json.loads(Path(str(path)).read_text("utf-8"))

    jsonschema.validate(COMPOSE, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**COMPOSE, "servics": {}}, schema)


@pytest.mark.parametrize(
    "body",
    [each for each in BASE if "keda" not in each["apiVersion"]],
    ids=lambda each: f"{each['kind']}-{each['metadata']['name']}",
)
def test_a_manifest_fits_kubernetes_own_schema(body: dict[str, Any]) -> None:
    kubernetes_validate.validate(body, KUBERNETES_VERSION, strict=True)


def test_a_wrong_field_would_be_found() -> None:
    body = json.loads(json.dumps(WORKLOADS["twin"]))
    body["spec"]["template"]["spec"]["containers"][0]["readOnlyRoot"] = True

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(body, KUBERNETES_VERSION, strict=True)


@pytest.mark.parametrize(
    ("path", "kind", "bodies"),
    [
        ("strimzi/kafkatopic.yaml", "KafkaTopic", STRIMZI),
        ("strimzi/kafkauser.yaml", "KafkaUser", STRIMZI),
        ("keda/scaledobjects.yaml", "ScaledObject", BASE),
    ],
)
def test_resources_of_operators_fit_their_own_definitions(
    path: str, kind: str, bodies: list[dict[str, Any]]
) -> None:
    group, version, schema = crd(path)
    mine = [each for each in bodies if each["kind"] == kind]

    assert mine
    assert {f"{group}/{version}"} == {each["apiVersion"] for each in mine}
    for each in mine:
        jsonschema.validate(each, schema)
        assert set() == set(each["spec"]) - set(schema["properties"]["spec"]["properties"])


@pytest.mark.skipif(
    shutil.which("kubectl") is None and not os.environ.get("CI"), reason="kubectl is not here"
)
@pytest.mark.parametrize(("folder", "expected"), [("base", BASE), ("strimzi", STRIMZI)])
def test_kustomize_builds_all_that_is_in_the_folder(folder: str, expected: list[dict[str, Any]]) -> None:
    command = ["kubectl", "kustomize", str(DEPLOY / "kubernetes" / folder)]
    built = list(
        yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    )

    def names(bodies: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return sorted((each["kind"], each["metadata"]["name"]) for each in bodies)

    assert names(expected) == names(built)
    assert {"foresite"} == {each["metadata"]["namespace"] for each in built}


@pytest.mark.skipif(
    shutil.which("promtool") is None and not os.environ.get("CI"), reason="promtool is not here"
)
def test_prometheus_takes_its_configuration() -> None:
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yaml"],
        cwd=DEPLOY / "prometheus",
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr


# They say what the code does ----------------------------------------------------------------------------------------


def settings_named(said: dict[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("FORESITE_").lower(): value
        for name, value in said.items()
        if name.startswith("FORESITE_")
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_s_environment_are_settings_that_the_code_takes(role: str) -> None:
    said = settings_named(environment(role))
    read = {
        name: json.loads(value)
        if name in ("kafka_config", "facts_partitions", "admin_port", "web_port")
        else value
        for name, value in said.items()
    }

    made = Settings.model_validate(read)

    assert (role, "SASL_SSL") == (made.kafka_config["sasl.username"], made.kafka_config["security.protocol"])


def test_compose_s_environment_are_settings_that_the_code_takes() -> None:
    for service in (*ROLES, "notify", "topics"):
        said = settings_named(COMPOSE["services"][service]["environment"])
        numbers = ("facts_partitions", "admin_port", "web_port")
        Settings.model_validate(
            {name: int(value) if name in numbers else value for name, value in said.items()}
        )


def test_every_container_runs_a_command_that_is() -> None:
    known = {
        each.name or each.callback.__name__ for each in app.registered_commands if each.callback is not None
    }
    known |= {each.name for each in app.registered_groups if each.name}
    composed = [
        each["command"][0]
        for name, each in COMPOSE["services"].items()
        if name in (*ROLES, "notify", "topics")
    ]

    assert set() == {*composed, *(container(role)["args"][0] for role in ROLES)} - known
    assert set(ROLES) == set(WORKLOADS)


@pytest.mark.parametrize("role", ROLES)
def test_nothing_runs_with_more_rights_than_it_needs(role: str) -> None:
    security = container(role)["securityContext"]
    service = COMPOSE["services"][role]

    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == security
    assert (True, 10001) == (
        pod(role)["securityContext"]["runAsNonRoot"],
        pod(role)["securityContext"]["runAsUser"],
    )
    assert "USER 10001:10001" in IMAGE
    assert pod(role)["automountServiceAccountToken"] is False
    assert (True, ["ALL"], ["no-new-privileges:true"]) == (
        service["read_only"],
        service["cap_drop"],
        service["security_opt"],
    )
    written = {each["mountPath"] for each in container(role)["volumeMounts"] if not each.get("readOnly")}
    assert {"/tmp", "/var/cache/foresite"} == written


@pytest.mark.parametrize("role", ROLES)
def test_ports_and_probes_are_those_of_the_admin_port(role: str) -> None:
    port = int(environment(role)["FORESITE_ADMIN_PORT"])
    made = container(role)

    assert port in [each["containerPort"] for each in made["ports"] if each["name"] == "admin"]
    assert f"FORESITE_ADMIN_PORT={port}" in IMAGE
    assert ("/livez", "/livez", "/readyz") == tuple(
        made[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    )
    assert str(port) == WORKLOADS[role]["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"]
    assert pod(role)["terminationGracePeriodSeconds"] > STOP_TIMEOUT_S
    assert float(COMPOSE["services"][role]["stop_grace_period"].removesuffix("s")) > STOP_TIMEOUT_S


def test_prometheus_asks_every_role_of_compose() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    asked = {
        target
        for job in config["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    }

    assert {f"{role}:9464" for role in (*ROLES, "notify")} == asked
    assert {*ROLES, "notify"} == {job["job_name"] for job in config["scrape_configs"]}


def test_web_is_reached_through_loopback_alone_and_where_its_port_is() -> None:
    published = [port for each in COMPOSE["services"].values() for port in each.get("ports", ())]
    service = named("Service", "web")

    assert [] == [port for port in published if not port.startswith("127.0.0.1:")]
    assert "127.0.0.1:8410:8410" in published
    assert "8410" == environment("web")["FORESITE_WEB_PORT"]
    assert "https" == service["spec"]["ports"][0]["targetPort"]
    assert {"name": "https", "containerPort": 8410} in container("web")["ports"]


def test_the_twin_keeps_its_names_and_goes_one_by_one() -> None:
    twin = WORKLOADS["twin"]
    (name,) = [each for each in container("twin")["env"] if each["name"] == "FORESITE_INSTANCE_ID"]

    assert ("StatefulSet", "Parallel") == (twin["kind"], twin["spec"]["podManagementPolicy"])
    assert {"fieldRef": {"fieldPath": "metadata.name"}} == name["valueFrom"]
    assert 1 == named("PodDisruptionBudget", "twin")["spec"]["maxUnavailable"]
    assert twin["spec"]["replicas"] <= int(environment("twin")["FORESITE_FACTS_PARTITIONS"])
    assert [] == [
        each for each in BASE if each["kind"] == "ScaledObject" and each["metadata"]["name"] == "twin"
    ]
    # A new name at each start would make the group wait for the old one.
    assert [] == [role for role in ROLES if role != "twin" and "FORESITE_INSTANCE_ID" in environment(role)]


def test_ingest_and_solver_are_scaled_up_to_what_they_can_share() -> None:
    known = set(re.findall(r"`(foresite_\w+)`", (ROOT / "docs" / "metrics.md").read_text("utf-8")))
    for role, partitions in (
        ("ingest", max(TOPICS[name].partitions or 0 for name in INPUT_TOPICS)),
        ("solver", TOPICS[REPLAN_REQUESTS].partitions or 0),
    ):
        spec = named("ScaledObject", role)["spec"]
        (trigger,) = spec["triggers"]

        assert (role, partitions) == (spec["scaleTargetRef"]["name"], spec["maxReplicaCount"])
        assert "replicas" not in WORKLOADS[role]["spec"]  # or each apply would undo the scaler
        assert set() == set(re.findall(r"foresite_\w+", trigger["metadata"]["query"])) - known
        assert float(trigger["metadata"]["threshold"]) > 2 * partitions


def test_every_pod_is_closed_but_for_what_is_named() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in BASE if each["kind"] == "NetworkPolicy"}
    labels = [WORKLOADS[role]["spec"]["template"]["metadata"]["labels"] for role in ROLES]

    assert {
        "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "foresite"}},
        "policyTypes": ["Ingress", "Egress"],
    } == policies["foresite-deny"]
    assert all(each["app.kubernetes.io/part-of"] == "foresite" for each in labels)
    open_ports = {
        port["port"]
        for name, each in policies.items()
        if name != "foresite-deny"
        for rule in each.get("ingress", ())
        for port in rule["ports"]
    }
    assert {8410, 9464} == open_ports


# Strimzi ------------------------------------------------------------------------------------------------------------


def test_strimzi_s_topics_are_those_of_the_table() -> None:
    topics = {each["spec"]["topicName"]: each["spec"] for each in STRIMZI if each["kind"] == "KafkaTopic"}

    assert set(TOPICS) == set(topics)
    for name, spec in topics.items():
        config = {key: str(value) for key, value in spec["config"].items() if key != "min.insync.replicas"}
        assert topic_config(TOPICS[name]) == config
        assert (TOPICS[name].partitions or Settings().facts_partitions) == spec["partitions"]
        assert (3, 2) == (spec["replicas"], spec["config"]["min.insync.replicas"])


def test_strimzi_s_users_have_the_rights_of_acls_and_no_others() -> None:
    kinds = {"topic": "topic", "group": "group", "transactionalId": "transactional-id", "cluster": "cluster"}
    given = {
        Acl(
            f"User:{user['metadata']['name']}",
            kinds[each["resource"]["type"]],  # type: ignore[arg-type]  # one of Resource
            each["resource"].get("name", "kafka-cluster"),
            each["resource"].get("patternType") == "prefix",
            operation,
        )
        for user in STRIMZI
        if user["kind"] == "KafkaUser"
        for each in user["spec"]["authorization"]["acls"]
        for operation in each["operations"]
    }

    assert set(wanted_acls(Settings())) == given


def test_secrets_that_pods_mount_are_made_by_strimzi_s_users() -> None:
    users = {each["metadata"]["name"] for each in STRIMZI if each["kind"] == "KafkaUser"}
    (cluster,) = {each["metadata"]["labels"]["strimzi.io/cluster"] for each in STRIMZI}

    assert set(PRINCIPALS) == users
    for role in ROLES:
        mounted = {
            each["name"]: each["secret"]["secretName"] for each in pod(role)["volumes"] if "secret" in each
        }
        assert (role, f"{cluster}-cluster-ca-cert") == (mounted["kafka-user"], mounted["kafka-ca"])
    assert f"{cluster}-kafka-bootstrap:9093" == environment("twin")["FORESITE_KAFKA"]


def test_prefixes_and_sites_are_exported_under_names_that_kubernetes_takes() -> None:
    settings = Settings(topic_prefix="Plant_7.", site_topics={"lyon.": ["lyon"]})
    made = strimzi_resources(settings, "k", 1, "tls")
    names = [each["metadata"]["name"] for each in made if each["kind"] == "KafkaTopic"]
    said = [each["spec"]["topicName"] for each in made if each["kind"] == "KafkaTopic"]

    assert "Plant_7.lyon.mes.machine-events.v1" in said
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name) for name in names)
    assert resource_name("a_b") != resource_name("a-b")
    assert "lyon.publisher-mes" in {each["metadata"]["name"] for each in made}
    assert not any("min.insync.replicas" in each["spec"].get("config", {}) for each in made)


def test_the_command_prints_what_is_committed() -> None:
    printed = CliRunner().invoke(app, ["topics", "export"]).output

    assert STRIMZI == list(yaml.safe_load_all(printed))
