"""What can be done wrong: the sentence that each mistake gets, and that it leaves no trace.

In the sentences `<run>` and its like stand for ids that differ each time.
"""

# ruff: noqa: E501 - a table with a sentence a line
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tracking_core.client import Client
from tracking_core.entities import Metric, Param, RunTag, ViewType
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    FilterSyntaxError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    TrackingError,
    UnknownSchemeError,
)
from tracking_core.stores import ExperimentQuery, RunQuery

HERE = __file__

BadCall = tuple[Callable[[Client, Any], object], type[TrackingError], str]

BAD_CALLS: list[BadCall] = [
    (
        lambda c, w: c.create_experiment(""),
        InvalidValueError,
        "The experiment name is empty; give it a name.",
    ),
    (
        lambda c, w: c.create_experiment("   "),
        InvalidValueError,
        "The experiment name is empty; give it a name.",
    ),
    (
        lambda c, w: c.create_experiment("x" * 501),
        InvalidValueError,
        "The experiment name 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' has 501 characters; at most 500 are allowed.",
    ),
    (
        lambda c, w: c.create_experiment("a\0b"),
        InvalidValueError,
        "The experiment name 'a\\x00b' holds a NUL character; leave it out.",
    ),
    (
        lambda c, w: c.create_experiment("\ud800"),
        InvalidValueError,
        "The experiment name '\\ud800' holds a lone surrogate, which isn't valid Unicode.",
    ),
    (
        lambda c, w: c.create_experiment(7),
        InvalidValueError,
        "The experiment name 7 is of type int; give a string.",
    ),
    (
        lambda c, w: c.create_experiment(None),
        InvalidValueError,
        "The experiment name None is of type NoneType; give a string.",
    ),
    (
        lambda c, w: c.create_experiment("digits"),
        AlreadyExistsError,
        "The experiment 'digits' (id <experiment>) exists already.",
    ),
    (
        lambda c, w: c.create_experiment("binned"),
        AlreadyExistsError,
        "The experiment 'binned' (id <binned>) exists already, in stage deleted: restore it, purge it, or take another name.",
    ),
    (
        lambda c, w: c.create_experiment("new", artifact_location="runs:/abc/x"),
        InvalidValueError,
        "The artifact location 'runs:/abc/x' points into a store; give the address of a directory or bucket.",
    ),
    (
        lambda c, w: c.create_experiment("new", artifact_location="s3://bucket/a?password=x"),
        InvalidValueError,
        "The artifact location 's3://bucket/a?password=***' may have no query and no fragment: credentials and options belong in the environment or the configuration file.",
    ),
    (
        lambda c, w: c.create_experiment("new", artifact_location="file://elsewhere/a"),
        InvalidValueError,
        "The URI 'file://elsewhere/a' names the host 'elsewhere', but a file: URI is a path of this machine; write file:///elsewhere/a or elsewhere/a.",
    ),
    (
        lambda c, w: c.create_experiment("new", artifact_location=""),
        InvalidValueError,
        "The artifact location '' must have 1 to 2048 characters.",
    ),
    (
        lambda c, w: c.create_experiment("new", tags={"../x": "1"}),
        InvalidValueError,
        "The tag key '../x' can't be a file's path, which some stores make of it: leave out leading, doubled and trailing slashes and the parts '.' and '..'.",
    ),
    (
        lambda c, w: c.create_experiment("new", tags=["a"]),
        InvalidValueError,
        "The tags ['a'] must be a mapping of key to value.",
    ),
    (
        lambda c, w: c.get_experiment("../x"),
        InvalidValueError,
        "The experiment id '../x' is not valid: it must be 1 to 64 letters, digits, underscores or dashes, and begin with a letter or digit.",
    ),
    (
        lambda c, w: c.get_experiment("404"),
        NotFoundError,
        "There is no experiment with the id '404'.",
    ),
    (
        lambda c, w: c.get_experiment(1),
        InvalidValueError,
        "The experiment id 1 is of type int; give a string.",
    ),
    (
        lambda c, w: c.get_experiment_by_name(""),
        InvalidValueError,
        "The experiment name is empty; give it a name.",
    ),
    (
        lambda c, w: c.rename_experiment(w.experiment, ""),
        InvalidValueError,
        "The experiment name is empty; give it a name.",
    ),
    (
        lambda c, w: c.rename_experiment(w.experiment, "binned"),
        AlreadyExistsError,
        "The experiment 'binned' (id <binned>) exists already, in stage deleted: restore it, purge it, or take another name.",
    ),
    (
        lambda c, w: c.set_experiment_tag(w.binned, "a", 1),
        InvalidStateError,
        "The experiment 'binned' (id <binned>) is deleted; restore it before changing it.",
    ),
    (
        lambda c, w: c.set_experiment_tag(w.experiment, "a\nb", 1),
        InvalidValueError,
        "The tag key 'a\\nb' holds '\\n'; allowed are letters, digits, underscores, dashes, periods, spaces, colons and slashes.",
    ),
    (
        lambda c, w: c.delete_experiment_tag(w.experiment, "none"),
        NotFoundError,
        "There is no tag 'none' on the experiment 'digits'; nothing to delete.",
    ),
    (
        lambda c, w: c.delete_experiment("404"),
        NotFoundError,
        "There is no experiment with the id '404'.",
    ),
    (
        lambda c, w: c.search_experiments(view_type=4),
        InvalidValueError,
        "The view type 4 is not one of ViewType.ACTIVE_ONLY (1), ViewType.DELETED_ONLY (2) and ViewType.ALL (3).",
    ),
    (
        lambda c, w: c.search_experiments(max_results=0),
        InvalidValueError,
        "max_results is 0; it must be from 1 to 50000.",
    ),
    (
        lambda c, w: c.search_experiments(max_results=50001),
        InvalidValueError,
        "max_results is 50001; it must be from 1 to 50000.",
    ),
    (
        lambda c, w: c.search_experiments(page_token="nonsense"),
        InvalidValueError,
        "The page token 'nonsense' can't be read; pass the next_page_token of the page before, or none for the first page.",
    ),
    (
        lambda c, w: c.search_experiments(filter_string="nam = 'x'"),
        FilterSyntaxError,
        "Experiments have no attribute 'nam'; did you mean name?\n  nam = 'x'\n  ^",
    ),
    (
        lambda c, w: c.create_run("404"),
        NotFoundError,
        "There is no experiment with the id '404'.",
    ),
    (
        lambda c, w: c.create_run(w.binned),
        InvalidStateError,
        "The experiment 'binned' (id <binned>) is deleted; restore it before changing it.",
    ),
    (
        lambda c, w: c.create_run(w.experiment, start_time=-1),
        InvalidValueError,
        "The start_time -1 is negative; give milliseconds since 1970-01-01 UTC.",
    ),
    (
        lambda c, w: c.create_run(w.experiment, start_time=1.5),
        InvalidValueError,
        "The start_time 1.5 is not a whole number.",
    ),
    (
        lambda c, w: c.create_run(w.experiment, tags={"": "x"}),
        InvalidValueError,
        "The tag key is empty; give it a name.",
    ),
    (
        lambda c, w: c.create_run(w.experiment, tags={3: "x"}),
        InvalidValueError,
        "The tag key 3 is of type int; give a string.",
    ),
    (
        lambda c, w: c.create_run(w.experiment, tags="abc"),
        InvalidValueError,
        "The tags 'abc' must be a mapping of key to value.",
    ),
    (
        lambda c, w: c.create_run(w.experiment, run_name="x" * 501),
        InvalidValueError,
        "The run name 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' has 501 characters; at most 500 are allowed.",
    ),
    (
        lambda c, w: c.get_run("0" * 32),
        NotFoundError,
        "There is no run with the id '00000000000000000000000000000000'.",
    ),
    (
        lambda c, w: c.get_run("../" + w.run),
        InvalidValueError,
        "The run id '../<run>' is not valid: it must be 1 to 256 letters, digits, underscores or dashes, and begin with a letter or digit.",
    ),
    (
        lambda c, w: c.get_run("a\0b"),
        InvalidValueError,
        "The run id 'a\\x00b' is not valid: it must be 1 to 256 letters, digits, underscores or dashes, and begin with a letter or digit.",
    ),
    (
        lambda c, w: c.get_run(""),
        InvalidValueError,
        "The run id '' is not valid: it must be 1 to 256 letters, digits, underscores or dashes, and begin with a letter or digit.",
    ),
    (
        lambda c, w: c.get_run(None),
        InvalidValueError,
        "The run id None is of type NoneType; give a string.",
    ),
    (
        lambda c, w: c.set_terminated(w.run, "DONE"),
        InvalidValueError,
        "The run status 'DONE' is not one of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED.",
    ),
    (
        lambda c, w: c.set_terminated(w.run, end_time=-5),
        InvalidValueError,
        "The end_time -5 is negative; give milliseconds since 1970-01-01 UTC.",
    ),
    (
        lambda c, w: c.set_terminated(w.deleted_run),
        InvalidStateError,
        "The run '<deleted_run>' is deleted; restore it before changing it.",
    ),
    (
        lambda c, w: c.update_run(w.run, status="running now"),
        InvalidValueError,
        "The run status 'running now' is not one of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED.",
    ),
    (
        lambda c, w: c.update_run(w.run, name="a\0b"),
        InvalidValueError,
        "The run name 'a\\x00b' holds a NUL character; leave it out.",
    ),
    (
        lambda c, w: c.search_runs("digits"),
        InvalidValueError,
        "The experiment ids 'digits' must be a list: pass ['digits'].",
    ),
    (
        lambda c, w: c.search_runs([w.experiment], "metrics.loss >> 1"),
        FilterSyntaxError,
        "Expected a number after >, found >.\n  metrics.loss >> 1\n                ^",
    ),
    (
        lambda c, w: c.search_runs([w.experiment], "metrics.loss = 'a'"),
        FilterSyntaxError,
        "metrics.loss is a number; expected a number without quotes after =, found 'a'.\n  metrics.loss = 'a'\n                 ^",
    ),
    (
        lambda c, w: c.search_runs([w.experiment], "params.p > 1"),
        FilterSyntaxError,
        "params.p is text, which > doesn't compare; expected =, !=, LIKE, ILIKE, IN or IS NULL.\n  params.p > 1\n           ^",
    ),
    (
        lambda c, w: c.search_runs([w.experiment], "status = 'x' AND"),
        FilterSyntaxError,
        "Expected a field, found the end.\n  status = 'x' AND\n                  ^",
    ),
    (
        lambda c, w: c.search_runs([w.experiment], "(a = 1"),
        FilterSyntaxError,
        "Runs have no attribute 'a'; expected run_id, run_name, experiment_id, status, user_id, artifact_uri, lifecycle_stage, start_time or end_time, or metrics., params., tags. or dataset. before it.\n  (a = 1\n   ^",
    ),
    (
        lambda c, w: c.search_runs([w.experiment], 7),
        FilterSyntaxError,
        "A filter is text, not of type int.",
    ),
    (
        lambda c, w: c.search_runs([w.experiment], order_by="start_time"),
        FilterSyntaxError,
        "An order is a list of clauses, not text: pass ['start_time'].",
    ),
    (
        lambda c, w: c.search_runs([w.experiment], order_by=["loss UP"]),
        FilterSyntaxError,
        "Runs have no attribute 'loss'; expected run_id, run_name, experiment_id, status, user_id, artifact_uri, lifecycle_stage, start_time or end_time, or metrics., params., tags. or dataset. before it.\n  loss UP\n  ^",
    ),
    (
        lambda c, w: c.search_runs(["../x"]),
        InvalidValueError,
        "The experiment id '../x' is not valid: it must be 1 to 64 letters, digits, underscores or dashes, and begin with a letter or digit.",
    ),
    (
        lambda c, w: c.search_runs([w.experiment], page_token="e30="),
        InvalidValueError,
        "The page token 'e30=' can't be read; pass the next_page_token of the page before, or none for the first page.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "", 1),
        InvalidValueError,
        "The metric key is empty; give it a name.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "../m", 1),
        InvalidValueError,
        "The metric key '../m' can't be a file's path, which some stores make of it: leave out leading, doubled and trailing slashes and the parts '.' and '..'.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "/m", 1),
        InvalidValueError,
        "The metric key '/m' can't be a file's path, which some stores make of it: leave out leading, doubled and trailing slashes and the parts '.' and '..'.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "a//b", 1),
        InvalidValueError,
        "The metric key 'a//b' can't be a file's path, which some stores make of it: leave out leading, doubled and trailing slashes and the parts '.' and '..'.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "a/./b", 1),
        InvalidValueError,
        "The metric key 'a/./b' can't be a file's path, which some stores make of it: leave out leading, doubled and trailing slashes and the parts '.' and '..'.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "a\0b", 1),
        InvalidValueError,
        "The metric key 'a\\x00b' holds a NUL character; leave it out.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "a?b", 1),
        InvalidValueError,
        "The metric key 'a?b' holds '?'; allowed are letters, digits, underscores, dashes, periods, spaces, colons and slashes.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m" * 251, 1),
        InvalidValueError,
        "The metric key 'mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm…' has 251 characters; at most 250 are allowed.",
    ),
    (
        lambda c, w: c.log_metric(w.run, 3, 1),
        InvalidValueError,
        "The metric key 3 is of type int; give a string.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", "0.5"),
        InvalidValueError,
        "The value '0.5' of metric 'm' is of type str; give a number.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", None),
        InvalidValueError,
        "The value None of metric 'm' is of type NoneType; give a number.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", True),
        InvalidValueError,
        "The value True of metric 'm' is of type bool; give a number.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", [1]),
        InvalidValueError,
        "The value [1] of metric 'm' is not a number: float() argument must be a string or a real number, not 'list'.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", 10**400),
        InvalidValueError,
        "The value 1000000000000000000000000000000000000000000000000000000000000000000000000000000… of metric 'm' is too large for a 64-bit float.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", 1, timestamp=-1),
        InvalidValueError,
        "The timestamp -1 is negative; give milliseconds since 1970-01-01 UTC.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", 1, timestamp=float("nan")),
        InvalidValueError,
        "The timestamp nan is not a whole number.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", 1, step=float("inf")),
        InvalidValueError,
        "The step inf is not a whole number.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", 1, step=1.5),
        InvalidValueError,
        "The step 1.5 is not a whole number.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", 1, step=2**63),
        InvalidValueError,
        "The step 9223372036854775808 doesn't fit into 64 bits.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", 1, step=True),
        InvalidValueError,
        "The step True is not a whole number.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", 1, model_id="../m"),
        InvalidValueError,
        "The model id '../m' is not valid: it must be 1 to 256 letters, digits, underscores or dashes, and begin with a letter or digit.",
    ),
    (
        lambda c, w: c.log_metric(w.run, "m", 1, dataset_name="a\0"),
        InvalidValueError,
        "The dataset name 'a\\x00' holds a NUL character; leave it out.",
    ),
    (
        lambda c, w: c.log_metric(w.deleted_run, "m", 1),
        InvalidStateError,
        "The run '<deleted_run>' is deleted; restore it before changing it.",
    ),
    (
        lambda c, w: c.log_metric(w.run_of_binned, "m", 1),
        InvalidStateError,
        "The experiment 'binned' of the run '<run_of_binned>' is deleted; restore it before changing the run.",
    ),
    (
        lambda c, w: c.log_metric("0" * 32, "m", 1),
        NotFoundError,
        "There is no run with the id '00000000000000000000000000000000'.",
    ),
    (
        lambda c, w: c.get_metric_history(w.run, ""),
        InvalidValueError,
        "The metric key is empty; give it a name.",
    ),
    (
        lambda c, w: c.log_param(w.run, "p", 2),
        ConflictError,
        "Changing param values is not allowed: the param 'p' of the run '<run>' has the value '1', and can't become '2'.",
    ),
    (
        lambda c, w: c.log_param(w.run, "a:b?", 2),
        InvalidValueError,
        "The param key 'a:b?' holds '?'; allowed are letters, digits, underscores, dashes, periods, spaces, colons and slashes.",
    ),
    (
        lambda c, w: c.log_param(w.run, "new", "a\0b"),
        InvalidValueError,
        "The value of param 'new' 'a\\x00b' holds a NUL character; leave it out.",
    ),
    (
        lambda c, w: c.log_param(w.deleted_run, "new", 1),
        InvalidStateError,
        "The run '<deleted_run>' is deleted; restore it before changing it.",
    ),
    (
        lambda c, w: c.set_tag(w.run, "..", 1),
        InvalidValueError,
        "The tag key '..' can't be a file's path, which some stores make of it: leave out leading, doubled and trailing slashes and the parts '.' and '..'.",
    ),
    (
        lambda c, w: c.set_tag(w.run, "new", "\udcff"),
        InvalidValueError,
        "The value of tag 'new' '\\udcff' holds a lone surrogate, which isn't valid Unicode.",
    ),
    (
        lambda c, w: c.set_tag(w.run, "mlflow.runName", "x" * 501),
        InvalidValueError,
        "The run name 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' has 501 characters; at most 500 are allowed.",
    ),
    (
        lambda c, w: c.delete_tag(w.run, "none"),
        NotFoundError,
        "There is no tag 'none' on the run '<run>'; nothing to delete.",
    ),
    (
        lambda c, w: c.log_batch(w.run, metrics=[Metric("good", 1.0, 1), Metric("bad", "x", 1)]),
        InvalidValueError,
        "The value 'x' of metric 'bad' is of type str; give a number.",
    ),
    (
        lambda c, w: c.log_batch(w.run, metrics=[Metric("good", 1.0, 1)], params=[Param("p", "2")]),
        ConflictError,
        "Changing param values is not allowed: the param 'p' of the run '<run>' has the value '1', and can't become '2'.",
    ),
    (
        lambda c, w: c.log_batch(
            w.run, params=[Param("a", "1"), Param("a", "2")], tags=[RunTag("t2", "1")]
        ),
        InvalidValueError,
        "The param 'a' stands in one batch with two values, '1' and '2'; a param has one value.",
    ),
    (
        lambda c, w: c.log_batch(w.run, metrics={"m": 1}),
        InvalidValueError,
        "The metrics hold 'm' of type str; give a list of Metric.",
    ),
    (
        lambda c, w: c.log_batch(w.run, params=[("a", 1)]),
        InvalidValueError,
        "The params hold ('a', 1) of type tuple; give a list of Param.",
    ),
    (
        lambda c, w: c.log_batch(w.run, metrics=5),
        InvalidValueError,
        "The metrics 5 must be a list of Metric.",
    ),
    (
        lambda c, w: c.log_inputs(w.run, datasets=["train.csv"]),
        InvalidValueError,
        "The datasets hold 'train.csv' of type str; give a list of DatasetInput.",
    ),
    (
        lambda c, w: c.log_outputs(w.run, ["m-1"]),
        InvalidValueError,
        "The models hold 'm-1' of type str; give a list of LoggedModelOutput.",
    ),
    (
        lambda c, w: c.log_text(w.run, "x", "../x"),
        InvalidValueError,
        "The artifact path '../x' holds '..'; give one that stays below the artifact root.",
    ),
    (
        lambda c, w: c.log_text(w.run, "x", "/etc/x"),
        InvalidValueError,
        "The artifact path '/etc/x' is absolute; give one that is relative to the artifact root.",
    ),
    (
        lambda c, w: c.log_text(w.run, "x", "a/../../x"),
        InvalidValueError,
        "The artifact path 'a/../../x' holds '..'; give one that stays below the artifact root.",
    ),
    (
        lambda c, w: c.log_text(w.run, "x", "a\0b"),
        InvalidValueError,
        "The artifact path 'a\\x00b' holds a NUL character; leave it out.",
    ),
    (
        lambda c, w: c.log_text(w.run, "x", ""),
        InvalidValueError,
        "The artifact path is empty, which means the root; name a file below it.",
    ),
    (
        lambda c, w: c.log_text(w.run, "x", "a//b"),
        InvalidValueError,
        "The artifact path 'a//b' has an empty part; write single slashes, and none at the end.",
    ),
    (
        lambda c, w: c.log_text(w.run, "x", 3),
        InvalidValueError,
        "The artifact path 3 is of type int; give a string.",
    ),
    (
        lambda c, w: c.log_text(w.run, b"x", "a.txt"),
        InvalidValueError,
        "The text for 'a.txt' is of type bytes; give a string.",
    ),
    (
        lambda c, w: c.log_text(w.run, "a\udcff", "b.txt"),
        InvalidValueError,
        "The text for 'b.txt' holds a lone surrogate at 1, which isn't valid Unicode.",
    ),
    (
        lambda c, w: c.log_text(w.deleted_run, "x", "b.txt"),
        InvalidStateError,
        "The run '<deleted_run>' is deleted; restore it before changing it.",
    ),
    (
        lambda c, w: c.log_dict(w.run, {"a": object}, "a.json"),
        InvalidValueError,
        "What is to be written to 'a.json' can't be: <class 'object'> of type type has no form in JSON.",
    ),
    (
        lambda c, w: c.log_dict(w.run, "a", "a.json"),
        InvalidValueError,
        "What is to be written to 'a.json' is of type str; give a dictionary or a list.",
    ),
    (
        lambda c, w: c.log_stream(w.run, "text", "s.txt"),
        InvalidValueError,
        "The stream for 's.txt' is of type str, which has no read(); give an open file.",
    ),
    (
        lambda c, w: c.log_figure(w.run, "figure", "f.png"),
        InvalidValueError,
        "The figure for 'f.png' is of type str, which has neither savefig nor write_html and write_image; give one of Matplotlib or Plotly.",
    ),
    (
        lambda c, w: c.log_artifact(w.run, "no/such/file"),
        NotFoundError,
        "There is no local file or directory '<cwd>/no/such/file'.",
    ),
    (
        lambda c, w: c.log_artifact(w.run, ""),
        InvalidValueError,
        "The local path '' names no file: it is empty, holds NUL, or isn't text.",
    ),
    (
        lambda c, w: c.log_artifact(w.run, None),
        InvalidValueError,
        "The local path None is of type NoneType; give a string or a Path.",
    ),
    (
        lambda c, w: c.log_artifact(w.run, HERE, "../up"),
        InvalidValueError,
        "The artifact path '../up' holds '..'; give one that stays below the artifact root.",
    ),
    (
        lambda c, w: c.log_artifacts(w.run, HERE),
        InvalidValueError,
        "'<here>' is not a directory; log_artifact takes files and directories.",
    ),
    (
        lambda c, w: c.list_artifacts(w.run, "../.."),
        InvalidValueError,
        "The artifact path '../..' holds '..'; give one that stays below the artifact root.",
    ),
    (
        lambda c, w: c.download_artifacts(w.run, ".."),
        InvalidValueError,
        "The artifact path '..' holds '..'; give one that stays below the artifact root.",
    ),
    (
        lambda c, w: c.download_artifacts(w.run, "none.txt"),
        NotFoundError,
        "There is no artifact 'none.txt' in <root>/<experiment>/<run>/artifacts.",
    ),
    (
        lambda c, w: c.read_artifact("runs:/" + w.run),
        InvalidValueError,
        "The artifact path is empty, which means the root; name a file below it.",
    ),
    (
        lambda c, w: c.read_artifact("runs:/" + w.run + "/../x"),
        InvalidValueError,
        "In the URI 'runs:/<run>/../x': The artifact path '../x' holds '..'; give one that stays below the artifact root.",
    ),
    (
        lambda c, w: c.read_artifact("runs:/"),
        InvalidValueError,
        "The URI 'runs:/' names nothing; write runs:/RUN_ID/path/in/the/artifacts.",
    ),
    (
        lambda c, w: c.read_artifact("nosuch://a/b"),
        UnknownSchemeError,
        "No plugin serves the scheme 'nosuch' of nosuch://a as an artifact repository; known are dbfs, file, memory, mlflow-artifacts.",
    ),
    (
        lambda c, w: c.read_artifact(5),
        InvalidValueError,
        "The artifact URI 5 is of type int; give a string.",
    ),
    (
        lambda c, w: c.create_registered_model("a/b"),
        InvalidValueError,
        "The registered model name 'a/b' may hold no slash or colon, and not be '.' or '..', because models:/NAME/VERSION must be readable.",
    ),
    (
        lambda c, w: c.create_registered_model(""),
        InvalidValueError,
        "The registered model name is empty; give it a name.",
    ),
    (
        lambda c, w: c.create_registered_model("svm"),
        AlreadyExistsError,
        "The registered model 'svm' exists already.",
    ),
    (
        lambda c, w: c.get_registered_model("none"),
        NotFoundError,
        "There is no registered model 'none'.",
    ),
    (
        lambda c, w: c.create_model_version("none", "s3://b/x"),
        NotFoundError,
        "There is no registered model 'none'.",
    ),
    (
        lambda c, w: c.create_model_version("svm", ""),
        InvalidValueError,
        "The source of the model version is empty; give a URI.",
    ),
    (
        lambda c, w: c.create_model_version("svm", "runs:/" + "0" * 32 + "/m"),
        NotFoundError,
        "There is no run with the id '00000000000000000000000000000000'.",
    ),
    (
        lambda c, w: c.register_model("models:/svm", "new"),
        InvalidValueError,
        "The URI 'models:/svm' doesn't say which version of 'svm'; write models:/NAME/VERSION, models:/NAME/STAGE, models:/NAME/latest, models:/NAME@ALIAS or models:/m-ID.",
    ),
    (
        lambda c, w: c.register_model("models:/svm/nonsense", "new"),
        InvalidValueError,
        "The URI 'models:/svm/nonsense' asks for 'nonsense' of 'svm', which is neither a version (1, 2, ...) nor a stage (None, Staging, Production, Archived) nor 'latest'; for an alias write models:/svm@nonsense.",
    ),
    (
        lambda c, w: c.register_model("models:/svm@none", "new"),
        NotFoundError,
        "The registered model 'svm' has no alias 'none'; it has: champion.",
    ),
    (
        lambda c, w: c.register_model("runs:/" + w.run + "/m", "a:b"),
        InvalidValueError,
        "The registered model name 'a:b' may hold no slash or colon, and not be '.' or '..', because models:/NAME/VERSION must be readable.",
    ),
    (
        lambda c, w: c.copy_model_version("runs:/" + w.run + "/m", "new"),
        InvalidValueError,
        "The URI 'runs:/<run>/m' names no version of a registered model; give one such as models:/digits/3 or models:/digits@champion.",
    ),
    (
        lambda c, w: c.get_model_version("svm", "one"),
        InvalidValueError,
        "The model version 'one' is not a whole number from 1.",
    ),
    (
        lambda c, w: c.get_model_version("svm", 0),
        InvalidValueError,
        "The model version 0 is not a whole number from 1.",
    ),
    (
        lambda c, w: c.get_model_version("svm", 2),
        NotFoundError,
        "There is no version 2 of the registered model 'svm'.",
    ),
    (
        lambda c, w: c.set_registered_model_alias("svm", "latest", 1),
        InvalidValueError,
        "The alias 'latest' is reserved: 'latest' and v followed by digits mean versions.",
    ),
    (
        lambda c, w: c.set_registered_model_alias("svm", "v2", 1),
        InvalidValueError,
        "The alias 'v2' is reserved: 'latest' and v followed by digits mean versions.",
    ),
    (
        lambda c, w: c.set_registered_model_alias("svm", "a b", 1),
        InvalidValueError,
        "The alias 'a b' must be 1 to 255 letters, digits, underscores or dashes.",
    ),
    (
        lambda c, w: c.set_registered_model_alias("svm", "new", 9),
        NotFoundError,
        "There is no version 9 of the registered model 'svm' that the alias 'new' could point to.",
    ),
    (
        lambda c, w: c.get_model_version_by_alias("svm", "none"),
        NotFoundError,
        "The registered model 'svm' has no alias 'none'; it has: champion.",
    ),
    (
        lambda c, w: c.transition_model_version_stage("svm", 1, "Live"),
        InvalidValueError,
        "The stage 'Live' is not one of None, Staging, Production, Archived.",
    ),
    (
        lambda c, w: c.transition_model_version_stage("svm", 1, "Archived", True),
        InvalidValueError,
        "archive_existing_versions goes with the stages Staging and Production alone, not with Archived.",
    ),
    (
        lambda c, w: c.get_latest_versions("svm", "Production"),
        InvalidValueError,
        "The stages 'Production' must be a list: pass ['Production'].",
    ),
    (
        lambda c, w: c.search_model_versions("nme = 'svm'"),
        FilterSyntaxError,
        "Model versions have no attribute 'nme'; did you mean name?\n  nme = 'svm'\n  ^",
    ),
    (
        lambda c, w: c.rename_registered_model("svm", "a/b"),
        InvalidValueError,
        "The registered model name 'a/b' may hold no slash or colon, and not be '.' or '..', because models:/NAME/VERSION must be readable.",
    ),
    (
        lambda c, w: c.create_logged_model(w.experiment, "a/b"),
        InvalidValueError,
        "The logged model name 'a/b' holds '/'; leave out slashes, colons, periods, percent signs and quotes.",
    ),
    (
        lambda c, w: c.create_logged_model("404", "a"),
        NotFoundError,
        "There is no experiment with the id '404'.",
    ),
    (
        lambda c, w: c.get_logged_model("m-" + "0" * 32),
        NotFoundError,
        "There is no logged model with the id 'm-00000000000000000000000000000000'.",
    ),
    (
        lambda c, w: c.finalize_logged_model(w.model, "DONE"),
        InvalidValueError,
        "The status of a logged model 'DONE' is not one of PENDING, READY, FAILED.",
    ),
    (
        lambda c, w: c.log_model_params(w.model, {"C": 2}),
        ConflictError,
        "Changing param values is not allowed: the param 'C' of the logged model '<model>' has the value '1', and can't become '2'.",
    ),
    (
        lambda c, w: c.search_logged_models(w.experiment),
        InvalidValueError,
        "The experiment ids '<experiment>' must be a list: pass ['<experiment>'].",
    ),
    (
        lambda c, w: c.purge(run_ids=[w.run]),
        InvalidStateError,
        "The run '<run>' is not deleted, so it can't be purged; delete it first.",
    ),
    (
        lambda c, w: c.purge(experiment_ids=[w.experiment]),
        InvalidStateError,
        "The experiment 'digits' (id <experiment>) is not deleted, so it can't be purged; delete it first.",
    ),
    (
        lambda c, w: c.purge(run_ids=w.run),
        InvalidValueError,
        "The run ids '<run>' must be a list: pass ['<run>'].",
    ),
]


def make_world(client: Client) -> SimpleNamespace:
    """Fill a store with one of each: active, deleted, registered, logged."""
    experiment, binned = (client.create_experiment(name) for name in ("digits", "binned"))
    run, deleted_run, run_of_binned = (
        client.create_run(where, run_name=name).info.run_id
        for where, name in ((experiment, "r"), (experiment, "d"), (binned, "b"))
    )
    client.log_metric(run, "m", 1)
    client.log_param(run, "p", 1)
    client.set_tag(run, "t", 1)
    client.log_text(run, "x", "a.txt")
    client.create_registered_model("svm")
    client.create_model_version("svm", f"runs:/{run}/a.txt")
    client.set_registered_model_alias("svm", "champion", 1)
    model = client.create_logged_model(experiment, "lm", run, params={"C": 1}).model_id
    client.delete_run(deleted_run)
    client.delete_experiment(binned)
    return SimpleNamespace(
        client=client,
        experiment=experiment,
        binned=binned,
        run=run,
        deleted_run=deleted_run,
        run_of_binned=run_of_binned,
        model=model,
    )


@pytest.fixture(params=["memory", "file"], scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("world")
    made = make_world(Client("memory:" if request.param == "memory" else root / "mlruns"))
    made.root = root
    return made


def everything(world: Any) -> list[Any]:
    """Return all that the store says of itself, and every byte that lies in its directory."""
    client: Client = world.client
    runs = client.store.runs
    experiments = list(runs.iterate_experiments(ExperimentQuery(view_type=ViewType.ALL)))
    query = RunQuery(
        experiment_ids=tuple(each.experiment_id for each in experiments), view_type=ViewType.ALL
    )
    found = sorted(runs.iterate_runs(query), key=lambda run: run.info.run_id)
    return [
        experiments,
        found,
        [client._repository(run.info.artifact_uri).walk() for run in found],
        [client.get_metric_history(run.info.run_id, "m") for run in found],
        client.search_registered_models(),
        client.search_model_versions(),
        client.search_logged_models([world.experiment]),
        dict(files_below(world.root)),
    ]


def files_below(root: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(root.rglob("*")):
        yield path, path.read_bytes() if path.is_file() else b"a directory"


@pytest.mark.parametrize("bad_call", BAD_CALLS, ids=lambda bad_call: None)
def test_a_bad_call_gets_its_sentence_and_leaves_no_trace(world: Any, bad_call: BadCall) -> None:
    call, kind, sentence = bad_call
    before = everything(world)

    with pytest.raises(TrackingError) as caught:
        call(world.client, world)

    said = str(caught.value)
    for name in ("run_of_binned", "deleted_run", "run", "model", "binned", "experiment"):
        said = said.replace(getattr(world, name), f"<{name}>")
    experiment = world.client.get_experiment(world.experiment)
    root = experiment.artifact_location.rpartition("/")[0]
    said = said.replace(root, "<root>").replace(str(Path.cwd()), "<cwd>").replace(HERE, "<here>")
    assert (type(caught.value), said) == (kind, sentence)
    assert everything(world) == before


def test_there_are_many_of_them_and_no_sentence_stays_open() -> None:
    assert len(BAD_CALLS) >= 60
    for _, kind, sentence in BAD_CALLS:
        if kind is not FilterSyntaxError:
            assert sentence.endswith("."), sentence


def test_what_changes_a_store_is_seen(world: Any) -> None:
    before = everything(world)
    world.client.set_tag(world.run, "t", 2)
    assert everything(world) != before
    world.client.set_tag(world.run, "t", 1)
