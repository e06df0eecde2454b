"""The spool: on the disk before append returns, torn and damaged lines told apart, replayed in order and once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from bifrost.db import LeaseLost, RecordRefused
from bifrost.db.records import SeqCounter, apply_record, record_for
from bifrost.db.spool import Spool, SpoolError, SpoolRecord, decode, encode

from tests.support.postgres import Database
from tests.support.waiting import wait_until


def _operation(counter: SeqCounter, reason: str) -> SpoolRecord:
    row = {"type": "cancel", "state_reason": reason, "ts": datetime(2014, 6, 5, 14, 0, tzinfo=UTC)}
    return record_for("operations", row, counter)


def _fill(directory: Path, epoch: int, reasons: list[str]) -> Spool:
    spool, counter = Spool(directory, uuid4()), SeqCounter(epoch)
    for reason in reasons:
        spool.append(_operation(counter, reason))
    return spool


def _reasons(records: list[SpoolRecord]) -> list[str]:
    return [record.row["state_reason"] for record in records]


def test_a_line_is_the_contract_and_reads_back(tmp_path: Path) -> None:
    spool = _fill(tmp_path, 3, ["D2"])
    (line,) = spool.path.read_bytes().splitlines()
    body = json.loads(line)
    assert set(body) == {"v", "record_id", "seq", "epoch", "table", "row", "written_at", "crc32"}
    assert (body["v"], body["seq"], body["epoch"], body["table"]) == (1, (3 << 40) | 1, 3, "operations")
    assert spool.path.name == f"engine-{spool.instance_id}.jsonl"
    record = decode(line)
    assert encode(record) == line + b"\n"
    assert record.row["ts"] == "2014-06-05T14:00:00+00:00"
    with pytest.raises(ValueError, match="checksum"):
        decode(line.replace(b"D2", b"D3"))
    with pytest.raises(ValueError, match="version 2"):
        body["v"] = 2
        decode(_signed(body))


def _signed(body: dict[str, object]) -> bytes:
    bare = {name: value for name, value in body.items() if name != "crc32"}
    crc = zlib.crc32(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode())
    return json.dumps(bare | {"crc32": crc}).encode()


def test_files_are_replayed_in_order_and_renamed(tmp_path: Path) -> None:
    """INV-C6."""
    later, earlier = _fill(tmp_path, 7, ["c", "d"]), _fill(tmp_path, 2, ["a", "b"])
    for spool in (later, earlier):
        spool.close()
    seen: list[SpoolRecord] = []
    leader = Spool(tmp_path, uuid4())
    report = leader.replay(seen.append)
    assert _reasons(seen) == ["a", "b", "c", "d"]
    assert (report.applied, report.files, report.clean) == (4, 2, True)
    assert leader.pending_files() == []
    assert len(list(tmp_path.glob("*.done"))) == 2
    assert leader.replay(seen.append).applied == 0


def test_own_file_is_replayed_while_appending_goes_on(tmp_path: Path) -> None:
    spool, counter = Spool(tmp_path, uuid4()), SeqCounter(1)
    spool.append(_operation(counter, "a"))
    seen: list[SpoolRecord] = []

    def apply(record: SpoolRecord) -> None:
        if not seen:
            spool.append(_operation(counter, "written meanwhile"))
        seen.append(record)

    assert spool.replay(apply).applied == 1
    assert _reasons(seen) == ["a"]
    assert spool.replay(seen.append).applied == 1
    assert _reasons(seen) == ["a", "written meanwhile"]


def test_a_file_that_another_process_still_writes_is_left_alone(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom uuid import uuid4\n"
        "from bifrost.db.records import SeqCounter, record_for\nfrom bifrost.db.spool import Spool\n"
        f"spool = Spool(Path({str(tmp_path)!r}), uuid4())\n"
        "spool.append(record_for('operations', {'type': 'cancel', 'state_reason': 'other'}, SeqCounter(1)))\n"
        "print('written', flush=True)\nsys.stdin.read()\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "written\n"
        spool, seen = Spool(tmp_path, uuid4()), list[SpoolRecord]()
        report = spool.replay(seen.append)
        assert seen == [] and len(report.busy) == 1
        other.send_signal(signal.SIGKILL)
        other.wait(10)
        wait_until(lambda: spool.replay(seen.append).applied, what="the dead process's file")
        assert _reasons(seen) == ["other"]
    finally:
        other.kill()
        other.communicate()


def test_a_torn_last_line_is_dropped_and_a_damaged_one_set_aside(tmp_path: Path) -> None:
    spool = _fill(tmp_path, 1, ["a", "b", "c", "torn"])
    spool.close()
    lines = spool.path.read_bytes().splitlines(keepends=True)
    damaged = lines[1].replace(b'"b"', b'"x"')
    spool.path.write_bytes(lines[0] + damaged + lines[2] + lines[3][:-9])
    leader, seen = Spool(tmp_path, uuid4()), list[SpoolRecord]()

    def fails_at_c(record: SpoolRecord) -> None:
        if record.row["state_reason"] == "c":
            raise psycopg2.OperationalError("database went away")
        seen.append(record)

    with pytest.raises(psycopg2.OperationalError):
        leader.replay(fails_at_c)
    assert leader.pending_files() == [spool.path]
    report = leader.replay(seen.append)
    assert _reasons(seen) == ["a", "a", "c"]
    assert report.torn == [f"{spool.path.name}:4"] and report.corrupt == [f"{spool.path.name}:2"]
    # Kept once, although two replays met it.
    assert (tmp_path / f"{spool.path.name}.corrupt").read_bytes() == damaged


def test_a_record_the_schema_refuses_is_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    spool = _fill(tmp_path, 1, ["a", "bad", "c"])
    seen: list[SpoolRecord] = []

    def apply(record: SpoolRecord) -> None:
        if record.row["state_reason"] == "bad":
            raise RecordRefused("no such thing")
        seen.append(record)

    report = spool.replay(apply)
    assert _reasons(seen) == ["a", "c"]
    assert len(report.refused) == 1 and "no such thing" in report.refused[0]
    (kept,) = tmp_path.glob("*.refused")
    assert decode(kept.read_bytes()).row["state_reason"] == "bad"


def test_a_full_disk_is_an_error_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, counter = Spool(tmp_path, uuid4()), SeqCounter(1)
    spool.append(_operation(counter, "a"))
    whole, real_write = spool.path.read_bytes(), os.write

    def half(fd: int, data: memoryview) -> int:
        if len(data) > 20:
            return real_write(fd, data[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    # The first call writes twenty bytes at a time until fewer are left, then the disk is full.
    with pytest.raises(SpoolError, match="No space left"):
        spool.append(_operation(counter, "b"))
    assert spool.path.read_bytes() == whole
    monkeypatch.undo()
    spool.append(_operation(counter, "c"))
    assert [decode(line).row["state_reason"] for line in spool.path.read_bytes().splitlines()] == ["a", "c"]


def test_a_replay_writes_each_record_once_under_the_new_epoch(database: Database, tmp_path: Path) -> None:
    """INV-C6."""
    spool, counter = Spool(tmp_path, uuid4()), SeqCounter(4)
    fill = {"exec_id": "0001.01", "account": "DU1", "mode": "live", "contract_key": "NVDA|STK|||", "side": "BUY"}
    spool.append(_operation(counter, "flatten"))
    spool.append(record_for("executions", fill | {"quantity": 25, "price": 140.5}, counter))
    spool.append(record_for("operations", {"type": "fill", "exec_id": "0001.01"}, counter))
    spool.append(record_for("operations", {"type": "no such type"}, counter))
    spool.close()
    copy = spool.path.read_bytes()
    database.query("UPDATE engine_lease SET epoch = 9 WHERE id = 1")
    leader = Spool(tmp_path, uuid4())

    with pytest.raises(LeaseLost):
        leader.replay(lambda record: _apply(database, 8, record))
    assert leader.pending_files() == [spool.path]

    report = leader.replay(lambda record: _apply(database, 9, record))
    assert report.applied == 3 and len(report.refused) == 1 and "operations_type_check" in report.refused[0]
    spool.path.write_bytes(copy)
    assert leader.replay(lambda record: _apply(database, 9, record)).applied == 3
    assert database.query(
        "SELECT type, state_reason, origin_epoch, written_at < now() FROM operations ORDER BY id"
    ) == [
        ("cancel", "flatten", 4, True),
        ("fill", None, 4, True),
    ]
    assert database.query("SELECT quantity, price, origin_epoch FROM executions") == [(25.0, 140.5, 4)]


def _apply(database: Database, epoch: int, record: SpoolRecord) -> None:
    apply_record(database.connect("engine", epoch=epoch), record)
