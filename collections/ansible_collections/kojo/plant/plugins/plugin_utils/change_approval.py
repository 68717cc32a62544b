# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Signed approval files: what a change is carried out on when the service can't answer.

`<change>.json` holds the content of the change, `<change>.json.<name>.sig` somebody's signature on it,
`<change>.json.used` the record of its use, `<change>.json.review.<name>.sig` a signature on that record.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.change_decision import (
    Authority,
    Basis,
    Grant,
    Question,
    Refused,
    read_time,
    same_use,
    show,
)
from ansible_collections.kojo.plant.plugins.plugin_utils.ssh_signature import Unverified, signer_of

APPROVAL, REVIEW = "kojo-change-approval", "kojo-change-review"  # namespaces of the signatures
REVIEW_WITHIN = timedelta(days=1)
CHANGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
USED = ".json.used"
TEXTS = ("what", "why", "impact", "rollback_plan", "artefact_digest", "plant")
TIMES = ("window_start", "window_end")
FLAG = "during_production"


@dataclass(frozen=True)
class Use:
    """The record of a use, as `<change>.json.used` has it."""

    change: str
    reference: str
    at: datetime
    authority: Authority
    basis: Basis
    approvers: tuple[str, ...]
    reason: str | None
    review_due: datetime | None

    @classmethod
    def of(cls, question: Question, grant: Grant, moment: datetime) -> Use:
        return cls(
            question.change,
            question.reference,
            moment,
            grant.authority,
            grant.basis or Basis.APPROVALS,
            grant.approvers,
            grant.reason,
            grant.review_due,
        )

    @classmethod
    def read(cls, content: bytes) -> Use:
        """ValueError, KeyError or TypeError for what is no such record."""
        values = json.loads(content)
        return cls(
            change=str(values["change"]),
            reference=str(values["reference"]),
            at=read_time(values["at"]),
            authority=Authority(values["authority"]),
            basis=Basis(values["basis"]),
            approvers=tuple(str(name) for name in values["approvers"]),
            reason=values["reason"],
            review_due=read_time(values["review_due"]) if values["review_due"] else None,
        )

    def written(self) -> bytes:
        values = {
            **self.__dict__,
            "at": show(self.at),
            "review_due": show(self.review_due) if self.review_due else None,
        }
        return json.dumps(values, ensure_ascii=False, indent=2).encode() + b"\n"


@dataclass(frozen=True)
class BrokenGlass:
    """The use of a change by break-glass, on files; `reviewed` by another."""

    use: Use
    reviewed: bool
    # what is wrong with reviews that there are
    faults: tuple[str, ...]


class Approvals:
    """The approval files of a folder; APPROVERS is a sound `plant_approvers`."""

    def __init__(self, folder: Path, approvers: Mapping[str, Mapping[str, str]]) -> None:
        self._folder, self._approvers = folder, approvers

    def has(self, change: str) -> bool:
        return self._file(change).is_file()

    def ask(self, question: Question, moment: datetime, reason: str | None) -> Grant:
        """What the files say; Refused. REASON is that of a break-glass, which one signature is enough for."""
        use = self.use_of(question, moment)
        self._refuse_unreviewed(question.change)
        path = self._file(question.change)
        content = _bytes(path)
        if content is None:
            raise Refused(f"there is no {path}")
        wanted = _content(path, content)
        signers, faults = self._signers(path, content, APPROVAL)
        faults += _misfits(question, wanted)
        if use is None:
            faults += _outside(wanted, moment)
        together = {self._approvers[name]["role"] for name in signers}
        basis = use.basis if use else Basis.APPROVALS
        if len(together) < 2 and basis is Basis.APPROVALS:
            if reason and signers:
                basis = Basis.BREAK_GLASS
            else:
                faults.append(self._not_approved(path, signers))
        if faults:
            raise Refused(*faults)
        broken = basis is Basis.BREAK_GLASS
        return Grant(
            Authority.FILES,
            basis,
            wanted[FLAG],
            until=wanted["window_end"],
            used=use is not None,
            approvers=use.approvers if use else tuple(signers),
            reason=(use.reason if use else reason) if broken else None,
            review_due=(use.review_due if use else moment + REVIEW_WITHIN) if broken else None,
        )

    def use_of(self, question: Question, moment: datetime) -> Use | None:
        """The question's own use of the change, when there is one; Refused when it was used by another."""
        path = self._folder / f"{question.change}{USED}"
        use = _use(path)
        if use is not None:
            same_use(question, use.reference, use.at, moment)
        return use

    def use(self, question: Question, grant: Grant, moment: datetime) -> None:
        """Uses the change up: the record is on disk when this returns. Refused when somebody was first."""
        path = self._folder / f"{question.change}{USED}"
        if not _create(path, Use.of(question, grant, moment).written()):
            self.use_of(question, moment)

    def broken_glass(self) -> Iterator[BrokenGlass]:
        """Every use by break-glass that these files were the authority of."""
        for path in sorted(self._folder.glob(f"*{USED}")):
            use = _use(path)
            if use is not None and (use.authority, use.basis) == (Authority.FILES, Basis.BREAK_GLASS):
                content = _bytes(path) or b""
                reviewers, faults = self._signers(path, content, REVIEW)
                yield BrokenGlass(use, bool(set(reviewers) - set(use.approvers)), tuple(faults))

    def _refuse_unreviewed(self, change: str) -> None:
        waiting = [glass for glass in self.broken_glass() if not glass.reviewed and glass.use.change != change]
        reasons = [
            "; ".join(
                (
                    f"the break-glass of {glass.use.change}, used at {show(glass.use.at)}, has no review by another"
                    f" than {', '.join(glass.use.approvers)}",
                    *glass.faults,
                )
            )
            for glass in waiting
        ]
        if reasons:
            raise Refused(*reasons)

    def _signers(self, signed: Path, content: bytes, namespace: str) -> tuple[list[str], list[str]]:
        """Who signed CONTENT, each by a file of their own, and what is wrong with the others' files."""
        between = ".review" if namespace == REVIEW else ""
        begins, ends = f"{signed.name.removesuffix('.used')}{between}.", ".sig"
        names, faults = [], []
        keys = {name: person["key"] for name, person in self._approvers.items()}
        for path in sorted(self._folder.glob(f"{begins}*{ends}")):
            name = path.name.removeprefix(begins).removesuffix(ends)
            if name.startswith("review."):
                continue
            if name not in keys:
                faults.append(f"{path} is of {name}, whom plant_approvers doesn't name")
                continue
            try:
                found = signer_of(content, _bytes(path) or b"", namespace, keys)
            except Unverified as why:
                faults.append(f"{path} is no signature of {name} on {signed.name}: {why}")
                continue
            if found != name:
                faults.append(f"{path} was signed by {found}, not by {name}")
                continue
            names.append(name)
        return names, faults

    def _not_approved(self, path: Path, signers: list[str]) -> str:
        given = " and ".join(f"{name} ({self._approvers[name]['role']})" for name in signers)
        there = f"is signed by {given} alone" if signers else "is signed by nobody"
        return f"it is not approved: {path} {there}, and it takes two people in two roles"

    def _file(self, change: str) -> Path:
        return self._folder / f"{change}.json"


def _misfits(question: Question, wanted: Mapping[str, Any]) -> list[str]:
    found = []
    if wanted["artefact_digest"] != question.digest:
        found.append(f"it is for the artefact {wanted['artefact_digest']}, not for {question.digest}")
    if wanted["plant"] != question.plant:
        found.append(f"it is for the plant {wanted['plant']}, not for {question.plant}")
    return found


def _outside(wanted: Mapping[str, Any], moment: datetime) -> list[str]:
    if moment < wanted["window_start"]:
        return [f"its window begins at {show(wanted['window_start'])}"]
    if moment >= wanted["window_end"]:
        return [f"its window ended at {show(wanted['window_end'])}"]
    return []


def _content(path: Path, content: bytes) -> dict[str, Any]:
    """The content of a change, times read; Refused names what is wrong with it."""
    try:
        values = json.loads(content, object_pairs_hook=_once)
    except ValueError as error:
        raise Refused(f"{path} is not JSON of a change: {error}") from error
    if not isinstance(values, dict):
        raise Refused(f"{path} is not JSON of a change: it is no object")
    faults = [f"{path}: {name} is no key of a change" for name in values if name not in (*TEXTS, *TIMES, FLAG)]
    faults += [
        f"{path}: {name} is missing, or no text"
        for name in TEXTS
        if not (isinstance(values.get(name), str) and values[name].strip())
    ]
    if not isinstance(values.setdefault(FLAG, False), bool):
        faults.append(f"{path}: {FLAG} is neither true nor false")
    for name in TIMES:
        try:
            values[name] = read_time(values.get(name))
        except ValueError as error:
            faults.append(f"{path}: {name} {error}")
    if not faults and values["window_end"] <= values["window_start"]:
        faults.append(f"{path}: window_end is to be later than window_start")
    if faults:
        raise Refused(*faults)
    return values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key that comes twice, readers take different ones: nobody knows what was signed."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key comes twice")
    return dict(pairs)


def _use(path: Path) -> Use | None:
    content = _bytes(path)
    if content is None:
        return None
    try:
        return Use.read(content)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path} is not a record of use ({error!r}): the change counts as used") from error


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{path} can't be read: {error.strerror}") from error


def _create(path: Path, content: bytes) -> bool:
    """Whether PATH is new. It has its whole content from its first moment, and is on disk."""
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            Path(draft).unlink()
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Refused(f"{path}, the record of its use, can't be written: {error.strerror}") from error
    return True
