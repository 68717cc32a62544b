"""Say where a plant answers and how to log in: python -m tools.addresses INVENTORY."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml


def main(inventory: Path) -> None:
    """Print the plant's addresses, the accounts, and where their passwords are; never a password."""
    plant = yaml.safe_load((inventory / "group_vars/all/plant.yml").read_text(encoding="utf-8"))
    hosts = yaml.safe_load((inventory / "hosts.yml").read_text(encoding="utf-8"))["all"]
    monitoring = next(iter(hosts["children"]["monitoring"]["hosts"]))
    address = hosts["hosts"][monitoring]["ansible_host"]
    service = f"https://{plant['plant_virtual_address']}"
    secrets = inventory / "group_vars/all/secrets.yml"
    print(
        f"\n{plant['plant_name'][plant['plant_language']]} ({plant['plant_id']}) is running.\n\n"
        f"  service        {service}/api/v1/openapi.json\n"
        f"  Prometheus     https://{address}:9090\n"
        f"  Alertmanager   https://{address}:9093\n\n"
        f"  CA             {inventory / '.state/pki/ca.crt'}\n"
        f"  log in         user kojo; passwords: {secrets}\n"
        f"  a host         ssh -i {inventory / '.state/lab/id_ed25519'} root@{address}\n\n"
        f"  try            curl --cacert {inventory / '.state/pki/ca.crt'} {service}/health\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
