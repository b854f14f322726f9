"""Track a real training: several models on scikit-learn's digits, several epochs each.

Run it with `make demo`, or `python examples/sklearn_digits.py`: it tracks into ./mlruns (or where
TRACKING_URI or MLFLOW_TRACKING_URI point), compares the runs, and reads the best one back.
"""

from __future__ import annotations

import csv
import io
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import tracking_core as tracking

EXPERIMENT = "digits"
EPOCHS = 12
BATCH = 64

console = Console()


def candidates() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield models with their names and hyperparameters."""
    for eta0 in (0.001, 0.05):
        chosen: dict[str, Any] = {"learning_rate": "constant", "eta0": eta0, "loss": "log_loss"}
        yield f"linear {eta0}", SGDClassifier(random_state=0, **chosen), chosen
    for units in (16, 64):
        for rate in (0.0005, 0.005):
            chosen = {"hidden_layer_sizes": (units,), "learning_rate_init": rate}
            yield f"net {units} {rate}", MLPClassifier(random_state=0, **chosen), chosen


def train(model: Any, data: list[np.ndarray]) -> np.ndarray:
    """Train epoch by epoch into the active run, and return what the model says in the end."""
    train_x, test_x, train_y, test_y = data
    classes = np.unique(train_y)
    shuffler = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        began = time.perf_counter()
        order = shuffler.permutation(len(train_x))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            model.partial_fit(train_x[batch], train_y[batch], classes=classes)
        tracking.log_metrics(
            {
                "train_loss": log_loss(train_y, model.predict_proba(train_x), labels=classes),
                "loss": log_loss(test_y, model.predict_proba(test_x), labels=classes),
                "accuracy": accuracy_score(test_y, model.predict(test_x)),
                "epoch_seconds": time.perf_counter() - began,
            },
            step=epoch,
        )
    return model.predict(test_x)


def log_results(expected: np.ndarray, predicted: np.ndarray) -> None:
    """Log a report, and the confusion matrix as a table and as a picture if one can be drawn."""
    tracking.log_text(classification_report(expected, predicted, zero_division=0), "report.txt")
    matrix = confusion_matrix(expected, predicted)
    rows = io.StringIO()
    csv.writer(rows).writerows(matrix.tolist())
    tracking.log_text(rows.getvalue(), "confusion/matrix.csv")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return  # the table says the same
    figure = Figure(figsize=(4, 4))
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="digit", xticks=range(10), yticks=range(10))
    tracking.log_figure(figure, "confusion/matrix.png")


def compare(runs: list[Any]) -> None:
    """Print the runs side by side, the best first."""
    table = Table(title=f"Experiment {EXPERIMENT!r}: {EPOCHS} epochs on 1,797 images")
    for column in ("run", "model", "accuracy", "loss", "train loss", "seconds"):
        text = column in ("run", "model")
        table.add_column(column, justify="left" if text else "right", no_wrap=text)
    for run in runs:
        metrics = run.data.metrics
        seconds = (run.info.end_time - run.info.start_time) / 1000
        table.add_row(
            run.info.run_name,
            run.data.params["model"],
            f"{metrics['accuracy']:.3f}",
            f"{metrics['loss']:.3f}",
            f"{metrics['train_loss']:.3f}",
            f"{seconds:.1f}",
        )
    console.print(table)


def check_artifacts(run: Any, test_y: np.ndarray) -> None:
    """Download what the best run logged, and see that it is what was logged."""
    where = Path(tracking.artifacts.download_artifacts(f"runs:/{run.info.run_id}/confusion"))
    matrix = np.loadtxt(where / "matrix.csv", delimiter=",")
    accuracy = matrix.trace() / matrix.sum()
    assert matrix.sum() == len(test_y), "the confusion matrix has lost images"
    assert abs(accuracy - run.data.metrics["accuracy"]) < 1e-9, "the artifact is another run's"
    console.print(
        f"Downloaded the confusion matrix of {run.info.run_name!r} to {where}: it has"
        f" {matrix.trace():.0f} of {matrix.sum():.0f} right, as its metric says."
    )


def main() -> None:
    images, labels = load_digits(return_X_y=True)
    data = train_test_split(images / 16.0, labels, random_state=0, stratify=labels)
    tracking.set_experiment(EXPERIMENT)
    dataset = tracking.data.from_numpy(data[0], targets=data[2], name="digits")
    # Each partial_fit is one step of a training that goes on; scikit-learn misses the end of it.
    warnings.simplefilter("ignore", ConvergenceWarning)

    ids = []
    for name, model, chosen in candidates():
        kind = type(model).__name__
        with tracking.start_run(run_name=name, tags={"example": "sklearn_digits"}) as run:
            console.print(f"Training {name} ...")
            tracking.log_params({"model": kind, "epochs": EPOCHS, "batch": BATCH, **chosen})
            tracking.log_input(dataset, context="training")
            log_results(data[3], train(model, data))
        ids.append(run.info.run_id)

    listed = ", ".join(f"'{run_id}'" for run_id in ids)
    runs = tracking.search_runs(
        experiment_names=[EXPERIMENT],
        filter_string=f"run_id IN ({listed})",
        order_by=["metrics.accuracy DESC", "metrics.loss ASC"],
        output_format="list",
    )
    compare(runs)
    check_artifacts(runs[0], data[3])

    best = runs[0].info.run_id
    command = "tracking" if shutil.which("tracking") else f"{Path(sys.executable).parent}/tracking"
    console.print(
        f"""
All of it is in {tracking.get_tracking_uri()}. What to look at next:

  {command} runs search --experiment {EXPERIMENT} --order-by "metrics.accuracy DESC"
  {command} runs describe {best}
  {command} artifacts list --recursive {best}

The code is examples/sklearn_digits.py; docs/tutorials/first-steps.md explains it step by step.""",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
