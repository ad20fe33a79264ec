"""Tables as Markdown has them: https://github.github.com/gfm/#tables-extension-."""

from core.experiments.markdown import beginning, row, table


def test_a_table_has_a_line_below_its_head_and_one_for_each_row() -> None:
    expected = "| preset | AUROC |\n|---|---|\n| best | 0.99 |\n| 5 |  |"
    assert table(["preset", "AUROC"], [["best", 0.99], [5, ""]]) == expected
    assert f"{beginning(['preset', 'AUROC'])}\n{row(['best', 0.99])}\n{row([5, ''])}" == expected
