"""What the malformed files are made of: good rows in every format, and what spoils them."""

import gzip
import io
import json
import random
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 20_240
ROWS = [(f"Where is parcel {n}?", f"In depot {n % 3}") for n in range(6)]
TEXTS = {
    "german": [(f"Wo bleibt die Tür für Größe {n}, bitte schön?", f"Müßte übermorgen da sein: {n}") for n in range(30)],
    "russian": [(f"Где моя посылка номер {n}, пожалуйста?", f"Она находится на складе {n % 3}") for n in range(30)],
    "japanese": [
        (f"荷物番号{n}はどこにありますか？教えてください", f"倉庫{n % 3}に保管されています") for n in range(30)
    ],
    "chinese": [(f"请问我的第{n}号包裹现在在哪里？", f"它在第{n % 3}号仓库里面") for n in range(30)],
}


@dataclass(frozen=True)
class Case:
    """A file: its name, what is odd about it, its content or what makes it, and what must come of it."""

    file: str
    odd: str
    content: bytes | Callable[[], bytes]
    expected: str

    def write(self, folder: Path) -> Path:
        path = folder / self.file
        path.write_bytes(self.content if isinstance(self.content, bytes) else self.content())
        return path


def table(rows: Iterable[tuple[str, ...]] = ROWS, mark: str = ",", end: str = "\n", header: str = "") -> str:
    lines = [header or f"question{mark}answer", *(mark.join(f'"{cell}"' for cell in row) for row in rows)]
    return end.join(lines) + end


def objects(rows: Iterable[tuple[str, str]] = ROWS) -> list[dict[str, Any]]:
    return [{"question": ask, "answer": reply} for ask, reply in rows]


def lines(rows: Iterable[tuple[str, str]] = ROWS) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in objects(rows))


def listed(rows: Iterable[tuple[str, str]] = ROWS) -> str:
    return json.dumps(objects(rows), ensure_ascii=False)


def parquet(columns: Any = None, **how: Any) -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = io.BytesIO()
    found = columns if isinstance(columns, pyarrow.Table) else pyarrow.table(columns or good_columns())
    pyarrow.parquet.write_table(found, sink, **how)
    return sink.getvalue()


def good_columns() -> dict[str, list[Any]]:
    return {"question": [ask for ask, _ in ROWS], "answer": [reply for _, reply in ROWS]}


def archive(*names: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        for name in names:
            packed.writestr(name, "<x/>")
    return sink.getvalue()


def database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE t (question, answer)")
        db.close()
        return path.read_bytes()


def noise(size: int, without: bytes = b"") -> bytes:
    return bytes(random.Random(SEED + size).choices([n for n in range(256) if n not in without], k=size))


CSV, LINES, LIST = table().encode(), lines().encode(), listed().encode()
GAP = b"a longer question,answer\n" * 299  # more than what is looked at for NULs
OK = "6/6/0"
NO_TEXT, CHOOSE, BROKEN_GZIP = "is not a text file", "can't be told", "packed with gzip but damaged"
HEAD = b"question,answer\n"
ONE_BYTE = {
    0x00: "has a NUL",
    0x0A: "is empty",
    0x20: "is empty",
    0x22: "never closed",
    0x2C: "has no rows",
    0x41: "has no rows",
    0x5B: "ends too early",
    0x7B: "complete object",
    0xFF: "has no rows",
}
FORMATS: dict[str, Callable[[], bytes]] = {
    "csv": lambda: CSV,
    "tsv": lambda: table(mark="\t").encode(),
    "json": lambda: LIST,
    "jsonl": lambda: LINES,
    "parquet": parquet,
    "csv.gz": lambda: gzip.compress(CSV),
    "xlsx": lambda: archive("[Content_Types].xml", "xl/workbook.xml"),
}


def one(value: str, name: str = "question") -> bytes:
    """Return six good lines of JSONL and one whose text is `value`, as it stands in the file."""
    return LINES + f'{{"{name}": {value}, "answer": "x"}}\n'.encode()
