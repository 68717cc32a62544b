"""What a test run says in the end: how many tests ran, and what failed, in few lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import test_summary

PASSED = """<testsuites><testsuite tests="2" failures="0" errors="0" skipped="0">
<testcase classname="tests.a" name="test_one"/><testcase classname="tests.a" name="test_two"/>
</testsuite></testsuites>"""
FAILED = """<testsuites><testsuite tests="2" failures="1" errors="0" skipped="0">
<testcase classname="tests.a" name="test_one"/>
<testcase classname="tests.a" name="test_two"><failure message="assert 1 == 2&#10; +  where">all</failure></testcase>
</testsuite></testsuites>"""
BROKE = """  \x1b[2m│ \x1b[0mfatal: [db1]: FAILED! => {"changed": false, "msg": "the
  \x1b[2m│ \x1b[0mdisk is full"}
"""


def test_tests_are_counted_suite_by_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "unit.xml").write_text(PASSED)
    assert test_summary.main(tmp_path, ["unit"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["unit: 2 tests, 0 failed, 0 skipped", "2 passed, 0 failed, 0 skipped"]
    assert not said.err


def test_what_failed_is_the_last_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "unit.xml").write_text(FAILED)
    assert test_summary.main(tmp_path, ["unit"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"
    assert said.err.splitlines() == ["FAILED tests.a::test_two: assert 1 == 2 + where"]


def test_a_play_that_failed_before_its_tests_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "unit.xml").write_text(PASSED)
    (tmp_path / "default.log").write_text(BROKE)
    assert test_summary.main(tmp_path, ["unit", "plant"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "test_summary: suite plant ran no test",
        'fatal: [db1]: FAILED! => {"changed": false, "msg": "the disk is full"}',
    ]
