"""The plants that the repository ships are sound, as Ansible reads them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model import check_model
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import generate_missing

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("plant", ["plant_a", "plant_b"])
def test_a_shipped_plant_has_no_fault(plant: str) -> None:
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", f"inventories/{plant}", "--list"]
    listed = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    variables = listed.pop("_meta")["hostvars"]
    page = {name: value for name, value in next(iter(variables.values())).items() if name.startswith("plant_")}
    page.pop("plant_secrets", None)
    groups = {name: group["hosts"] for name, group in listed.items() if "hosts" in group}
    found = check_model(
        page=page,
        secrets=generate_missing({}),
        hosts={host: of_host["ansible_host"] for host, of_host in variables.items()},
        groups={**groups, "all": list(variables)},
    )
    assert found == []


def test_approval_files_beside_an_inventory_are_no_part_of_it(tmp_path: Path) -> None:
    """Ansible takes every .json of an inventory's folder for hosts and groups."""
    plant = shutil.copytree(ROOT / "inventories/plant_b", tmp_path / "works", ignore=shutil.ignore_patterns(".state"))
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(plant), "--list"]
    before = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (plant / "approvals").mkdir()
    (plant / "approvals/C-1.json").write_text('{"edge": {"hosts": {"stranger": {}}}}', encoding="utf-8")
    (plant / "approvals/C-1.json.sato.sig").write_text("-----BEGIN SSH SIGNATURE-----", encoding="utf-8")
    after = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert (after.stdout, after.stderr) == (before.stdout, before.stderr)
