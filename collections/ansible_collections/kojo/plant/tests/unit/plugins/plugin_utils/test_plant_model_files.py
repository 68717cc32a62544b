"""A fault names the file that it is in, or that its remedy belongs into."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_files import InventoryFiles


@pytest.fixture
def files(tmp_path: Path) -> InventoryFiles:
    for name, text in {
        "group_vars/all/plant.yml": "plant_id: a\nplant_zones:\n  plant_deep: 1\n",
        "group_vars/all/secrets.yml": "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
        "group_vars/edge.yml": "plant_langage: ja\n",
        "host_vars/db1.yaml": "plant_id: b\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return InventoryFiles(tmp_path, {"db1": f"{tmp_path}/hosts.yml", "db1.b": f"{tmp_path}/more.yml"})


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("plant_zones.dmz.network", "group_vars/all/plant.yml"),
        ("plant_conduits[3].to", "group_vars/all/plant.yml"),
        ("plant_deep", "group_vars/all/plant.yml"),
        ("plant_langage", "group_vars/edge.yml"),
        ("plant_id", "host_vars/db1.yaml"),
        ("plant_secrets.metrics_password", "group_vars/all/secrets.yml"),
        ("plant_secrets", "group_vars/all/secrets.yml"),
        ("db1", "hosts.yml"),
        ("db1.ansible_host", "hosts.yml"),
        ("db1.b.ansible_host", "more.yml"),
    ],
)
def test_a_key_is_found(files: InventoryFiles, tmp_path: Path, key: str, file: str) -> None:
    assert files.file_of(key) == str(tmp_path / file)


def test_a_group_may_be_in_any_file_of_hosts(files: InventoryFiles, tmp_path: Path) -> None:
    assert files.file_of("database") == f"{tmp_path}/hosts.yml or {tmp_path}/more.yml"


def test_a_file_below_the_working_directory_is_shown_as_a_user_types_it(
    files: InventoryFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.file_of("plant_zones") == "group_vars/all/plant.yml"
