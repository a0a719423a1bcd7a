from __future__ import annotations

import dataclasses

import pytest

from tests.clients.page import BEGIN, END, Untold, table, versions_of, with_table

PAGE = f"# Clients\n\n{BEGIN}\nold\n{END}\n\nMore.\n"


@dataclasses.dataclass
class CollectedTest:
    nodeid: str
    marks: tuple[pytest.Mark, ...]

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        return [mark for mark in self.marks if mark.name == name]


def one(nodeid: str, *clients: str, tried: str = "logs in") -> CollectedTest:
    marks = [pytest.mark.client(client).mark for client in clients]
    return CollectedTest(nodeid, (*marks, pytest.mark.tried(tried).mark))


def test_a_client_has_its_rows_together_in_the_order_of_its_first_test() -> None:
    tests = [
        one("tests/clients/test_a.py::test_all[b-1]", "b"),
        one("tests/clients/test_a.py::test_all[b-2]", "b"),
        one("tests/clients/test_a.py::test_all[a]", "a"),
        one("tests/clients/test_b.py::test_more[b]", "b", tried="rotates"),
        CollectedTest("tests/clients/test_c.py::test_c", (pytest.mark.about_the_suite.mark,)),
    ]
    rows = table(tests, {"a": "1.0", "b": "2.0"}).splitlines()[2:]
    assert rows == [
        "| b | 2.0 | logs in | `test_a.py::test_all` |",
        "| b | 2.0 | rotates | `test_b.py::test_more` |",
        "| a | 1.0 | logs in | `test_a.py::test_all` |",
    ]


def test_the_table_takes_the_place_of_the_one_before_and_its_versions_can_be_read() -> None:
    rows = table([one("tests/clients/test_a.py::test_all", "a")], {"a": "1.0"})
    page = with_table(PAGE, rows)
    assert page == with_table(page, rows)
    assert page.startswith("# Clients\n")
    assert page.endswith("\nMore.\n")
    assert "old" not in page
    assert versions_of(page) == {"a": "1.0"}


@pytest.mark.parametrize(
    "test",
    [
        pytest.param(CollectedTest("t", ()), id="a test without marks"),
        pytest.param(one("t"), id="a test without a client"),
        pytest.param(one("t", "a", "b"), id="a test with two clients"),
        pytest.param(
            CollectedTest("t", (pytest.mark.client("a").mark,)),
            id="a test that does not say what is tried",
        ),
    ],
)
def test_a_test_that_does_not_say_what_it_drives_is_an_error(test: CollectedTest) -> None:
    with pytest.raises(Untold):
        table([test], {})


def test_a_page_without_a_place_for_the_table_is_an_error() -> None:
    with pytest.raises(Untold):
        with_table("# Clients\n", "rows")
