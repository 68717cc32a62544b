"""What the documents tell the reader to type works, and what they point to is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_groups import KNOWN_GROUPS
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import PAGE
from ansible_collections.kojo.plant.plugins.plugin_utils.rto_profile import PROFILES, rto_profile

from tests.repository.ansible_yaml import ROOT, load
from tests.repository.test_playbooks import PLAYBOOKS
from tests.tree import copied, versioned

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = versioned("*.md")
COMMANDS = [
    line.split(" # ")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone of the working tree with a virtual environment, in which commands may write."""
    folder = copied(tmp_path_factory.mktemp("clone"))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "vault-password").write_text("of this test only\n", encoding="utf-8")
    return folder


def shell(clone: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=clone,
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(clone / "ansible.cfg"),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(clone / "vault-password"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def runs(clone: Path, command: str) -> None:
    """The command itself."""
    done = shell(clone, command)
    assert done.returncode == 0, done.stdout + done.stderr


def recipe(clone: Path, command: str) -> list[str]:
    done = shell(clone, f"{command} --dry-run")
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if "tools/setup" not in line and "id -u" not in line]


def recipe_runs(clone: Path, command: str) -> None:
    """What make would do after the set-up, which is a matter of packages."""
    for line in recipe(clone, command):
        runs(clone, line)


def makes(*expected: str) -> Callable[[Path, str], None]:
    """The target exists, and would call these; what they do is measured by whoever runs the whole."""

    def check(clone: Path, command: str) -> None:
        said = "\n".join(recipe(clone, command))
        assert [part for part in expected if part not in said] == []
        assert [part for part in expected if part.startswith("tools/") and not (clone / part.split()[0]).exists()] == []

    return check


def molecule_runs(clone: Path, command: str) -> None:
    """Too long for here: Molecule's default scenario runs this playbook with these options on a whole plant."""
    scenario = load(clone / "molecule/default/molecule.yml")
    playbook = scenario["ansible"]["playbooks"]["converge"]
    assert (clone / "molecule/default" / playbook).resolve() == (clone / command.split()[1]).resolve()
    steps = scenario["scenario"]["test_sequence"]
    assert {"converge", "idempotence"} <= set(steps)
    if "--check" in command:
        assert steps.index("check") < steps.index("converge")
        assert "--diff" in scenario["ansible"]["executor"]["args"]["ansible_playbook"]


def tags_exist(clone: Path, command: str) -> None:
    """Ansible takes a tag that no role has without a word."""
    playbook, tags = re.fullmatch(r"ansible-playbook (\S+) .*--tags (\S+)", command).groups()  # type: ignore[union-attr]
    known = {tag for play in load(clone / playbook) for role in play["roles"] for tag in role["tags"]}
    assert set(tags.split(",")) <= known


def site_begins_with_it(clone: Path, _: str) -> None:
    """Needs hosts: site.yml's first stage is the same role, and Molecule runs that one."""
    first = load(clone / "playbooks/site.yml")[0]
    (alone,) = load(clone / "playbooks/preflight.yml")
    assert [role["role"] for role in first["roles"]] == [role["role"] for role in alone["roles"]]


def asks_plant_a(clone: Path, command: str) -> None:
    """Needs a plant: the address and the authority are plant_a's; tests/plant asks the same."""
    page = load(clone / "inventories/plant_a/group_vars/all/plant.yml")
    assert f"https://{page['plant_virtual_address']}/health" in command
    assert "inventories/plant_a/.state/pki/ca.crt" in command


def adds_a_person(clone: Path, command: str) -> None:
    """Needs a plant: the host and the key are plant_a's, the options the command's; tests/plant adds one so."""
    hosts = load(clone / "inventories/plant_a/hosts.yml")["all"]
    applications = {hosts["hosts"][name]["ansible_host"] for name in hosts["children"]["app"]["hosts"]}
    assert f"root@{next(address for address in applications if address in command)}" in command
    identity = clone / "service/src/kojo_mes/identity"
    options = (identity / "arguments.py").read_text(encoding="utf-8")
    assert [option for option in re.findall(r"--\w+", command) if f'"{option}"' not in options] == []
    assert command.split()[-1].strip('"') in (identity / "roles.py").read_text(encoding="utf-8")


CHECKS: dict[str, Callable[[Path, str], None]] = {
    "make plant": makes(
        "tools.secrets", "tools.wheelhouse", "tools/lab/enter molecule create", "ansible-playbook site.yml"
    ),
    "make test": makes("tools/test"),
    "make clean": makes("tools/clean"),
    "make help": runs,
    "make lint": makes("tools/test lint"),
    "make unit": makes("tools/test unit"),
    "make fuzz": makes("tools/fuzz"),
    "make release RELEASE_KEY=~/.ssh/id_ed25519": makes("-m tools.release"),
    "make docs": recipe_runs,
    "make picture": recipe_runs,
    "make figures": runs,
    "make figure-rerun": makes("-m tools.figures.rerun"),
    "make figure-lab-memory": makes("-m tools.figures.lab_memory"),
    "curl --cacert inventories/plant_a/.state/pki/ca.crt https://10.77.35.10/health": asks_plant_a,
    "ssh -i inventories/plant_a/.state/lab/id_ed25519 root@10.77.30.11"
    " \"kojo-mes user add sato --name 'Sato Hanako' --role administrator\"": adds_a_person,
    ". .venv/bin/activate": runs,
    "ansible-playbook playbooks/preflight.yml -i plant_a": site_begins_with_it,
    "ansible-playbook site.yml -i plant_a --check --diff": molecule_runs,
    "ansible-playbook site.yml -i plant_a": molecule_runs,
    "ansible-playbook site.yml -i plant_a --tags prometheus,alertmanager": tags_exist,
    "mkdir -p inventories/works/group_vars/all": runs,
    "cp inventories/plant_b/hosts.yml inventories/works/": runs,
    "cp inventories/plant_b/group_vars/all/plant.yml inventories/works/group_vars/all/": runs,
    "make secrets PLANT=inventories/works": recipe_runs,
    "ansible-vault encrypt inventories/works/group_vars/all/secrets.yml": runs,
    "make wheelhouse": makes("-m tools.wheelhouse"),
    "ansible-playbook playbooks/preflight.yml -i inventories/works -e preflight_hosts=false": runs,
    "ansible-playbook playbooks/preflight.yml -i inventories/works": site_begins_with_it,
    "ansible-playbook site.yml -i inventories/works --check --diff": molecule_runs,
    "ansible-playbook site.yml -i inventories/works": molecule_runs,
    "make picture PLANT=inventories/works": recipe_runs,
}


def test_every_command_of_the_readme_is_known_here() -> None:
    assert sorted(set(COMMANDS)) == sorted(CHECKS)


def test_the_readmes_commands_work_in_their_order(clone: Path) -> None:
    for command in COMMANDS:
        CHECKS[command](clone, command)


def test_the_readme_tells_every_key_of_the_page() -> None:
    assert [key for key in PAGE.fields if f"| `{key}` |" not in README] == []


def test_the_readmes_keys_are_keys_of_the_page() -> None:
    assert set(re.findall(r"^\| `(plant_\w+)` \|", README, re.MULTILINE)) == set(PAGE.fields)


def test_the_readme_tells_every_group() -> None:
    assert [group for group in KNOWN_GROUPS if f"| `{group}` |" not in README] == []


def test_the_readme_tells_every_verb_and_no_other() -> None:
    told = re.findall(r"^\| `(playbooks/\w+\.yml)` \|", README, re.MULTILINE)
    assert sorted(told) == [str(playbook.relative_to(ROOT)) for playbook in PLAYBOOKS]


def test_the_readmes_example_is_yaml() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    names = set(yaml.safe_load(example))
    options = {name for role in (ROOT / "roles").iterdir() for name in load(role / "defaults/main.yml") or {}}
    assert [name for name in names if not name.startswith("ansible_") and name not in options] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_a_documents_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    broken = []
    for link in links:
        path, _, heading = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (heading and heading not in headings(target)):
            broken.append(link)
    assert broken == []


def headings(document: Path) -> set[str]:
    """The anchors that a Markdown page has."""
    found = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_architectures_recovery_times_are_the_tables() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    profiles = next(row[1:] for row in rows if sorted(row[1:]) == sorted(PROFILES))
    for name, told in {
        "PostgreSQL killed": "process_lost_s",
        "its host lost, on average": "host_lost_average_s",
        "its host lost": "host_lost_worst_s",
        "the host of primary and etcd leader lost": "host_and_etcd_leader_lost_worst_s",
        "an edge lost": "address_takeover_s",
        "Redis' master lost": "redis_failover_s",
    }.items():
        row = next(row for row in rows if row[0] == name)
        assert [float(cell) for cell in row[1:]] == [rto_profile(profile)["predicted"][told] for profile in profiles]


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z%-]*):(?!=)", makefile, re.MULTILINE)) - {"root"}
    done = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert {line.split()[0] for line in done.stdout.splitlines()} == targets


def test_every_make_target_is_phony() -> None:
    """A file of its name must not make a target look done."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    assert targets == set(phony[1].split())
