"""The files with which operators run the product name what exists."""

import configparser
import re
from pathlib import Path

import pytest
import yaml

from app import EXIT_UNUSABLE_DATA, EXIT_USAGE
from demo.binaries import ROOT
from services.core import settings
from services.core.version import program_version
from services.ops.check_runner import CheckStatus
from services.ops.database_checks import check_settings
from tests.support.processes import run
from tests.test_docs import read_variables

EXAMPLE = (ROOT / ".env.example").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNITS = ROOT / "deploy" / "systemd"
WORKFLOWS = ROOT / ".github" / "workflows"
PROCESSES = {"bot", "worker", "jobs"}
SANDBOX = ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices")
VARIABLE = re.compile(r"^(# )?([A-Z_]+)=(.*)$", re.MULTILINE)


def unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]  # names are case-sensitive
    parser.read_string(path.read_text())
    return parser


def test_the_example_has_every_variable_with_its_default() -> None:
    config, _ = settings.parse_settings("bot", {})
    named = {name: value for _, name, value in VARIABLE.findall(EXAMPLE)}
    assert named.keys() == read_variables()
    assert named == {
        name: str(getattr(config, name.lower()) or "") if value else ""
        for name, value in named.items()
    }
    assert [
        name
        for name, value in named.items()
        if not value and getattr(config, name.lower()) not in ("", None, (), frozenset())
    ] == []


def test_the_example_leaves_nothing_to_remove() -> None:
    """Without a line of its own, a variable has its default."""
    set_there = {name: value for mark, name, value in VARIABLE.findall(EXAMPLE) if not mark}
    assert set(set_there.values()) == {""}


def test_compose_runs_each_process_and_publishes_only_the_bot_on_this_machine() -> None:
    services = COMPOSE["services"]
    assert {name for name in services if "env_file" in services[name]} == PROCESSES
    assert {name: services[name]["command"] for name in PROCESSES} == {
        name: [name] for name in PROCESSES
    }
    assert {name: one["ports"] for name, one in services.items() if "ports" in one} == {
        "bot": ["127.0.0.1:5000:5000"]
    }
    assert services["bot"]["environment"]["HOST"] == "0.0.0.0"  # noqa: S104  in the container
    assert COMPOSE["networks"]["servers"] == {"internal": True}
    assert services["mongo"]["networks"] == services["redis"]["networks"] == ["servers"]
    assert "--replSet" in services["mongo"]["command"]


def test_the_doctor_warns_of_the_servers_of_compose() -> None:
    """docs/install.md says so."""
    defaults = {
        name: re.sub(r"\$\{\w+:-(.+)\}", r"\1", value)
        for name, value in COMPOSE["services"]["jobs"]["environment"].items()
    }
    warned = [f.message for f in check_settings(defaults) if f.status is CheckStatus.WARN]
    assert warned == [
        "MONGO_URI names another machine and no password",
        "REDIS_URL names another machine and no password",
    ]


def test_the_image_has_what_the_processes_import() -> None:
    copied = set(re.findall(r"^COPY (?:app\.py )?(\S+) \S+$", DOCKERFILE, re.MULTILINE))
    assert {"bot", "services", "tasks", "pyproject.toml"} <= copied
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {f"!{name}" for name in copied - {"requirements.txt"}} <= {*ignored}
    assert "\nUSER 10001\n" in DOCKERFILE


def test_images_have_one_version_everywhere() -> None:
    ci = (WORKFLOWS / "ci.yml").read_text()
    for name in ("mongo", "redis"):
        assert f" {COMPOSE['services'][name]['image']}" in ci
    (python,) = {*re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)}
    assert re.fullmatch(r"python:3\.13\.\d+-slim-bookworm", python)


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_each_process_has_a_unit(name: str) -> None:
    service = unit(UNITS / f"helpdesk-{name}.service")["Service"]
    assert service["ExecStart"] == f"/opt/helpdesk/.venv/bin/python app.py {name}"
    assert service["WorkingDirectory"] == "/opt/helpdesk"
    assert service["RestartPreventExitStatus"] == f"{EXIT_USAGE} {EXIT_UNUSABLE_DATA}"


def test_processes_have_no_rights_they_do_not_need() -> None:
    for name in PROCESSES:
        container = COMPOSE["services"][name]
        assert (container["read_only"], container["cap_drop"]) == (True, ["ALL"])
        assert container["security_opt"] == ["no-new-privileges:true"]
        service = unit(UNITS / f"helpdesk-{name}.service")["Service"]
        assert (service["User"], service["CapabilityBoundingSet"]) == ("helpdesk", "")
        assert service["ProtectSystem"] == "strict"
        assert {service[each] for each in SANDBOX} == {"yes"}


def test_each_process_has_the_time_to_end_by_itself() -> None:
    """It takes ten seconds at most; see docs/upgrade.md."""
    for name in PROCESSES:
        assert COMPOSE["services"][name]["stop_grace_period"] == "15s"
        assert unit(UNITS / f"helpdesk-{name}.service")["Service"]["TimeoutStopSec"] == "15"


def test_the_worker_is_stopped_before_the_children_that_run_its_tasks() -> None:
    """They end at a SIGTERM, whatever they are doing, and by default systemd sends it to all."""
    assert unit(UNITS / "helpdesk-worker.service")["Service"]["KillMode"] == "mixed"
    assert COMPOSE["services"]["worker"]["init"] is True  # passes signals on to the worker alone


def test_the_socket_is_the_bots() -> None:
    assert unit(UNITS / "helpdesk-bot.socket")["Socket"]["ListenStream"] == "127.0.0.1:5000"
    assert unit(UNITS / "helpdesk-bot.service")["Unit"]["Requires"] == "helpdesk-bot.socket"


def test_every_step_of_the_workflows_exists() -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in WORKFLOWS.glob("*.yml"):
        text = path.read_text()
        assert {*re.findall(r"\bmake ([a-z][\w-]*)", text)} <= targets
        for job in yaml.safe_load(text)["jobs"].values():
            matrix = job.get("strategy", {}).get("matrix", {})
            assert {*matrix.get("target", ())} <= targets


def test_the_version_is_that_of_the_project() -> None:
    assert run("--version").stdout == f"{program_version()}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", program_version())
