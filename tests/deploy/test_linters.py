"""What is in deploy/, as those see it who know its formats. All of them work without a network."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
UNIT = ROOT / "deploy" / "systemd" / "twinmeter.service"
WORST_EXPOSURE = 2.0
"""Of ten, as systemd counts what a service could do."""


def passed(*command: str, cwd: Path = ROOT) -> str:
    """What a command says that ends well; the test is skipped where it is not installed, but in CI."""
    name, *arguments = command
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    if (found := shutil.which(name, path=path)) is None:
        # systemd is the machine's, the others are in the lock
        if name == "systemd-analyze" or "CI" not in os.environ:
            pytest.skip(f"{name} is not installed")
        pytest.fail(f"{name} is not installed")
    done = subprocess.run([found, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hadolint_has_nothing_to_say_of_the_dockerfile() -> None:
    assert passed("hadolint", "Dockerfile") == ""


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_the_manifests_are_valid_for_kubernetes(version: str) -> None:
    files = [str(file) for file in sorted(KUBERNETES.glob("*.yaml")) if file.name != "kustomization.yaml"]

    passed("kubernetes-validate", "--strict", "--kubernetes-version", version, *files)


@pytest.mark.parametrize(
    ("schema", "file"), [("compose-spec", "compose.yaml"), ("github-workflows", ".github/workflows/ci.yml")]
)
def test_it_is_valid_by_its_schema(schema: str, file: str) -> None:
    passed("check-jsonschema", "--builtin-schema", f"vendor.{schema}", file)


def test_zizmor_finds_nothing_in_the_workflow() -> None:
    passed("zizmor", "--offline", "--no-progress", ".github/workflows/ci.yml")


def test_systemd_takes_the_unit_and_counts_it_as_little_exposed(tmp_path: Path) -> None:
    # it looks for what is started: here, this very Python
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/twinmeter/.venv/bin/python", sys.executable))

    passed("systemd-analyze", "verify", "--man=no", str(unit), cwd=tmp_path)
    said = passed("systemd-analyze", "security", "--offline=true", "--no-pager", str(unit), cwd=tmp_path)

    (exposure,) = re.findall(r"Overall exposure level for twinmeter\.service: ([\d.]+)", said)
    assert float(exposure) <= WORST_EXPOSURE
