"""Settings and the choice of real parts."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tieout.bootstrap import (
    Misconfigured,
    Settings,
    clock_of,
    connector_names,
    embedded_server,
    open_connector,
    open_connectors,
    open_database_url,
    read_settings,
    settings_apart,
    settings_in_use,
    webhook_receiver,
)
from tieout.connectors.kit.interface import Rejected
from tieout.store.clock import set_now

MOMENT = datetime(2026, 2, 1, tzinfo=timezone.utc)


def test_settings_come_from_the_environment_and_reach_a_child_unchanged() -> None:
    told = {
        "TIEOUT_HOME": "/srv/tieout",
        "TIEOUT_DATABASE_URL": "postgresql://h/d",
        "PORT": "8123",
        "TIEOUT_WORKSPACE": "/srv/meridian",
    }
    settings = read_settings(told)
    assert settings == Settings(Path("/srv/tieout"), "postgresql://h/d", 8123, Path("/srv/meridian"))
    assert read_settings(settings.as_environment()) == settings


def test_nothing_told_means_the_home_of_the_user() -> None:
    assert read_settings({}) == Settings(Path.home() / ".tieout")


@pytest.mark.parametrize("port", ["web", "0", "65536", "-1"])
def test_an_impossible_port_is_refused(port: str) -> None:
    with pytest.raises(Misconfigured, match="65535"):
        read_settings({"PORT": port})


def test_the_demo_is_used_only_when_nothing_else_is_set_up(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    assert settings_in_use(settings) == settings
    (tmp_path / "demo" / "postgres" / "data").mkdir(parents=True)
    assert settings_in_use(settings) == settings.demo()
    elsewhere = Settings(tmp_path, database_url="postgresql://h/d")
    assert settings_in_use(elsewhere) == elsewhere
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    assert settings_in_use(settings) == settings


def test_the_embedded_database_is_started_for_the_call_and_stopped_after_it(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home")
    with open_database_url(settings) as url, open_database_url(settings) as again:
        assert url == again
        assert (settings.home / "postgres" / "data" / "postmaster.pid").exists()
    assert not (settings.home / "postgres" / "data" / "postmaster.pid").exists()


def test_every_connector_folder_can_be_opened_by_its_name(tmp_path: Path) -> None:
    assert connector_names() == ["kantata", "netsuite", "salesforce"]
    opened = open_connectors(
        Settings(tmp_path),
        {"time": ("kantata", {"url": "https://127.0.0.1:9", "sandbox": True})},
        lambda name: {"token": f"token of {name}"},
        lambda: MOMENT,
    )
    assert [type(connector).__name__ for connector in opened.values()] == ["Kantata"]
    assert webhook_receiver("kantata", ["secret"]) is not None
    assert webhook_receiver("netsuite", ["secret"]) is None


def test_a_simulator_is_not_reachable_outside_dev(tmp_path: Path) -> None:
    live = Settings(tmp_path, environment="production")
    with pytest.raises(Rejected, match="environment dev"):
        open_connector(
            live, "kantata", {"url": "https://127.0.0.1:9", "sandbox": True}, {"token": "t"}, lambda: MOMENT
        )


def test_an_unknown_system_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="kantata, netsuite, salesforce"):
        open_connector(Settings(tmp_path), "sap", {}, {}, lambda: MOMENT)


def test_parts_without_a_connection_see_the_injected_clock(engine: Engine) -> None:
    with engine.begin() as conn:
        set_now(conn, MOMENT)
    assert clock_of(engine)() == MOMENT


def test_a_scenario_run_does_not_look_like_an_installation(tmp_path: Path) -> None:
    """Its server stands in a folder of its own, so that the demo is still found; one that is there is used."""
    settings = read_settings({"TIEOUT_HOME": str(tmp_path)})
    assert settings_apart(settings, "scenarios").home == tmp_path / "scenarios"
    embedded_server(settings).data.mkdir(parents=True)
    assert settings_apart(settings, "scenarios") == settings
    other = read_settings({"TIEOUT_HOME": str(tmp_path / "x"), "TIEOUT_DATABASE_URL": "postgresql://db/x"})
    assert settings_apart(other, "scenarios") == other
