"""Prints the table of what the shipped detectors score: `python -m tests.readme_scores`."""

from core.checkpoint import read
from core.presets import shipped


def main() -> None:
    print("| digit | best: AUROC | false alarms | caught | course: AUROC | false alarms | caught |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for best, course in zip(shipped(preset="best"), shipped(preset="course"), strict=True):
        figures = [read(entry.path).evaluation for entry in (best, course)]
        values = [value for each in figures if each for value in (each.auroc, each.false_alarm_rate, each.catch_rate)]
        rows.append(values)
        print(f"| {best.normal_class} | {cells(values)} |")
    print(f"| mean | {cells([sum(column) / len(rows) for column in zip(*rows, strict=True)])} |")
    fashion = [figures.auroc for entry in shipped("fashion-mnist") if (figures := read(entry.path).evaluation)]
    print(f"\nFashion-MNIST, best: mean AUROC {sum(fashion) / len(fashion):.4f}")


def cells(values: list[float]) -> str:
    return " | ".join(f"{value:.4f}" if place % 3 == 0 else f"{value:.1%}" for place, value in enumerate(values))


if __name__ == "__main__":
    main()
