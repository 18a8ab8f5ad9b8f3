"""A folder, a bucket or an SFTP server: whole files, and last of all one that says so.

    seg_017_meta_2026-06-30_1a2b3c4d_all.csv         everybody on the list now
    seg_017_meta_2026-06-30_1a2b3c4d_additions.csv   who is new since the last delivery
    seg_017_meta_2026-06-30_1a2b3c4d_removals.csv    who has gone since then, only of those we sent
    seg_017_meta_2026-06-30_1a2b3c4d_done.json       names, rows and sha256 of the above

Files of an advertising platform have additions and removals as the platform reads them. Of any
other format there is the whole list, as it was released, and the ids of those who are new or have
another row, and of those who have left. On a day on which nothing has changed there are no files.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from typing import ClassVar

from pipelines.deliver.changes import Batch, Outcome, Row, Status, content_of
from pipelines.extract.buckets import Folder
from pipelines.platforms.files import Cells, identifiers_of, name_parts, sort_sheet, write_sheet
from pipelines.platforms.layout import Platform

SHOWN_KEY = 8


class FolderFiles:
    """The files of one list."""

    batch_rows: ClassVar[int | None] = None

    def __init__(
        self,
        folder: Folder,
        alias: str,
        day: date,
        rows: Iterable[Row],
        whole: dict[str, bytes],
    ) -> None:
        """Take the rows of the list, and its whole files by their endings."""
        self.folder, self.alias, self.day = folder, alias, day
        self._rows, self._whole = list(rows), whole

    def rows(self) -> list[Row]:
        """As they were given."""
        return self._rows

    def look(self, batch: Batch) -> set[str]:
        """All of them if the last file is there, else none."""
        there = bool(batch.key) and self.folder.holds(self._name(batch, "done.json"))
        return {row.far_id for row in batch.rows} if there else set()

    def send(self, batch: Batch) -> dict[str, Outcome]:
        """Write all files, the one that says so last."""
        files = {
            self._name(batch, ending): content
            for ending, content in (self._whole | self._changed(batch)).items()
        }
        for name, content in files.items():
            self.folder.put(name, content)
        told = {
            "date": self.day.isoformat(),
            "rows": len(self._rows),
            "additions": len(batch.adds),
            "removals": len(batch.removes),
            "files": {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)},
        }
        text = json.dumps(told, indent=2, sort_keys=True) + "\n"
        self.folder.put(self._name(batch, "done.json"), text.encode())
        return {row.far_id: Outcome(Status.ok) for row in batch.rows}

    def _changed(self, batch: Batch) -> dict[str, bytes]:
        return {"additions.csv": _ids(batch.adds), "removals.csv": _ids(batch.removes)}

    def _name(self, batch: Batch, ending: str) -> str:
        return f"{self.alias}_{self.day.isoformat()}_{batch.key[:SHOWN_KEY]}_{ending}"


def _ids(rows: Iterable[Row]) -> bytes:
    ids = [row.customer_id for row in rows]
    return "".join(f"{id}\n" for id in ["customer_id", *ids]).encode()


class PlatformFiles(FolderFiles):
    """The files of one list for one advertising platform.

    A person is known over there by the digests of address and number. So they are what the ledger
    keeps, and all that a removal has to say.
    """

    def __init__(
        self,
        folder: Folder,
        alias: str,
        day: date,
        people: Iterable[tuple[str, Cells]],
        platform: Platform,
    ) -> None:
        """Take the cells of each customer."""
        self.platform, self.known_by = platform, identifiers_of(platform)
        rows = [
            Row(customer_id, self._far_id(cells), content_of(cells), cells)
            for customer_id, cells in people
        ]
        super().__init__(folder, alias, day, rows, {})

    def _far_id(self, cells: Cells) -> str:
        return json.dumps([cells[place] for place in self.known_by])

    def _changed(self, batch: Batch) -> dict[str, bytes]:
        parts = {
            "all": [row.payload for row in self._rows],
            "additions": [row.payload for row in batch.adds],
            "removals": [self._identifiers(row.far_id) for row in batch.removes],
        }
        header = [column.header for column in self.platform.columns]
        files: dict[str, bytes] = {}
        for part, rows in parts.items():
            contents = write_sheet(sort_sheet(rows), header, self.platform)
            files |= name_parts(part, contents, self.platform)
        return files

    def _identifiers(self, far_id: str) -> Cells:
        told = dict(zip(self.known_by, json.loads(far_id), strict=True))
        return tuple(told.get(place) for place in range(len(self.platform.columns)))
