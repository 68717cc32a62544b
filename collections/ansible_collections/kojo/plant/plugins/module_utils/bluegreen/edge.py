# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""One edge's copy of the decision: the file that HAProxy reads when it begins, and the map that it serves by."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from .decision import Decision, Unsound
from .haproxy_runtime import Runtime, RuntimeFault

MAP_FILE = "/etc/haproxy/maps/colour.map"


class Fenced(Exception):
    """A decision that is not newer than what holds here: somebody else has decided meanwhile."""


@dataclass(frozen=True)
class Prepared:
    """A decision that is on disk beside the one that holds, and in HAProxy as VERSION, unseen."""

    decision: Decision
    draft: Path
    version: int


class Edge:
    """The only writer of the map at MAP_FILE is the agent; this is its pen."""

    def __init__(self, runtime: Runtime, map_file: Path = Path(MAP_FILE)) -> None:
        self.runtime = runtime
        self._file = map_file

    def recorded(self) -> Decision:
        """What the file says. Raises Unsound."""
        try:
            return Decision.parse(self._file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise Unsound(f"{self._file}: {error}") from error

    def serving(self) -> Decision:
        """What HAProxy serves by. Raises Unsound, RuntimeFault."""
        return Decision.parse(self.runtime.entries(str(self._file)))

    def prepare(self, decision: Decision) -> Prepared:
        self._newer(decision)
        draft = self._file.with_name(f"{self._file.name}.{decision.generation}")
        with draft.open("w", encoding="utf-8") as file:
            file.write(decision.encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            return Prepared(decision, draft, self._stage(decision))
        except RuntimeFault:
            draft.unlink()
            raise

    def commit(self, prepared: Prepared) -> None:
        """The file first: a reload or a crash between the two comes back with the decision."""
        self._newer(prepared.decision)
        prepared.draft.replace(self._file)
        self._sync_folder()
        try:
            self.runtime.commit(str(self._file), prepared.version)
        except RuntimeFault:
            self.heal()  # HAProxy began anew since the decision was prepared, and has forgotten it
        if self.serving() != prepared.decision:
            raise RuntimeFault(f"HAProxy does not serve by generation {prepared.decision.generation}, which it took")

    def abandon(self, prepared: Prepared) -> None:
        prepared.draft.unlink(missing_ok=True)
        with contextlib.suppress(RuntimeFault):  # an HAProxy that began anew has nothing to forget
            self.runtime.discard(str(self._file), prepared.version)

    def heal(self) -> bool:
        """Have HAProxy serve by what the file says. Returns whether it did not."""
        wanted = self.recorded()
        with contextlib.suppress(Unsound):
            if self.serving() == wanted:
                return False
        self.runtime.commit(str(self._file), self._stage(wanted))
        return True

    def _newer(self, decision: Decision) -> None:
        held = self.recorded()
        if decision.rank <= held.rank:
            raise Fenced(f"generation {held.generation} holds; {decision.generation} is not newer")

    def _stage(self, decision: Decision) -> int:
        version = self.runtime.prepare(str(self._file), decision.encode())
        if Decision.parse(self.runtime.entries(str(self._file), version)) != decision:
            raise RuntimeFault(f"HAProxy took version {version} of the map, and holds something else")
        return version

    def _sync_folder(self) -> None:
        folder = os.open(self._file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
