"""`python -m tools.secrets` adds what a plant lacks, shows nothing, and leaves a vault alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tools.secrets import main


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    (tmp_path / "group_vars" / "all").mkdir(parents=True)
    return tmp_path


def secrets_of(plant: Path) -> Path:
    return plant / "group_vars" / "all" / "secrets.yml"


def test_a_new_plant_gets_all_secrets_for_its_owner_only(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(plant)]) == 0
    made = yaml.safe_load(secrets_of(plant).read_text(encoding="utf-8"))["plant_secrets"]
    assert secrets_of(plant).stat().st_mode & 0o777 == 0o600
    printed = "".join(capsys.readouterr())
    assert "metrics_password" in printed
    assert not [name for name, value in made.items() if value in printed]
    assert [file.name for file in secrets_of(plant).parent.iterdir()] == ["secrets.yml"]


def test_a_second_run_changes_nothing(plant: Path) -> None:
    main([str(plant)])
    before = secrets_of(plant).read_bytes()
    assert main([str(plant)]) == 0
    assert secrets_of(plant).read_bytes() == before


def test_only_missing_names_are_added(plant: Path) -> None:
    secrets_of(plant).write_text("plant_secrets: {metrics_password: chosen by hand, own: kept}\n", encoding="utf-8")
    assert main([str(plant)]) == 0
    made = yaml.safe_load(secrets_of(plant).read_text(encoding="utf-8"))["plant_secrets"]
    assert (made["metrics_password"], made["own"]) == ("chosen by hand", "kept")
    assert len(made["bcrypt_salt"]) == 22


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", "encrypted with ansible-vault"),
        ("plant_secrets:\n  a: !vault |\n    $ANSIBLE_VAULT;1.1;AES256\n    6162\n", "encrypted with ansible-vault"),
        ("plant_secrets: {a: hunter2\n", "not valid YAML"),
        ("plant_id: hunter2\n", "one key, plant_secrets"),
        ("plant_secrets: [hunter2]\n", "must be a dictionary"),
    ],
)
def test_what_it_cannot_extend_it_leaves_alone(
    plant: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    secrets_of(plant).write_text(text, encoding="utf-8")
    assert main([str(plant)]) == 1
    assert secrets_of(plant).read_text(encoding="utf-8") == text
    printed = "".join(capsys.readouterr())
    assert message in printed
    assert str(secrets_of(plant)) in printed
    assert "hunter2" not in printed


def test_a_plant_that_is_not_there_is_named(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(plant / "nowhere")]) == 2
    assert "nowhere is not a directory" in capsys.readouterr().err
