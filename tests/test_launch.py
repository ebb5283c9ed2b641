"""Job files: well-formed, with every word in them; and the Slurm script run on two nodes of a faked cluster."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lapis import cli
from tests.conftest import ROOT, environment

POD = ("--to", "kubernetes", "--image", "registry/lapis:1", "--claim", "runs")
ODD = ('data.texts=it\'s $(here) and "there"', "stages.sft.mixture.screen/math=0.5")


def launch(*words: str) -> None:
    assert cli.main(["launch", "pocket", *words]) == 0


def script_command(path: Path) -> list[str]:
    """The words behind `node` in a script's srun, as the shell splits them."""
    line = next(line for line in path.read_text().splitlines() if " -m lapis " in line)
    return shlex.split(line)


@pytest.mark.parametrize("nodes", [1, 4])
def test_a_slurm_script_is_one_and_has_every_word(nodes: int, tmp_path: Path) -> None:
    out = tmp_path / "a run"
    options = ("--nodes", f"{nodes}", "--gpus-per-node", "8", "--partition", "big", "--minutes", "90")
    launch("--to", "slurm", *options, "dist.grace=45", *ODD, f"out={out}")
    path = out / "job.sbatch"
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    words = script_command(path)
    assert words[1:5] == ["-m", "lapis", "run", "pocket"] and f"out={out}" in words
    assert {*ODD, f"dist.nodes={nodes}", "dist.nproc=8", "device=cuda", "dist.grace=45"} <= {*words}
    asked = {line.removeprefix("#SBATCH --") for line in path.read_text().splitlines() if line.startswith("#SBATCH")}
    expected = {f"nodes={nodes}", "gpus-per-node=8", 'partition="big"', "time=90", 'signal="TERM@75"', "requeue"}
    assert {*expected, "no-kill", "ntasks-per-node=1", f'output="{out}/slurm-%j.log"'} <= asked
    assert ("dist.rendezvous" in path.read_text()) == ("dist.node=" in path.read_text()) == (nodes > 1)


def manifest(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    service, job = yaml.safe_load_all(path.read_text())
    return service, job


def test_a_manifest_is_one_and_has_every_word(tmp_path: Path) -> None:
    out = tmp_path / "four"
    launch(*POD, "--nodes", "4", "--gpus-per-node", "8", "dist.least=2", "dist.grace=45", *ODD, f"out={out}")
    service, job = manifest(out / "job.yaml")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    command = [word.replace("$$", "$") for word in container["command"]]
    assert command[:3] == ["lapis", "run", "pocket"] and "out=/runs/four" in command
    assert {*ODD, "dist.nodes=4", "dist.nproc=8", "device=cuda", "dist.node=$(NODE)"} <= {*command}
    name = service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["selector"] == {"job-name": name}
    assert pod["subdomain"] == job["metadata"]["name"] == name
    assert f"dist.rendezvous={name}-0.{name}:29500" in command
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (4, 4, "Indexed")
    assert (spec["maxFailedIndexes"], pod["terminationGracePeriodSeconds"]) == (2, 75)
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 8}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {*volumes}
    assert volumes["runs"]["persistentVolumeClaim"] == {"claimName": "runs"}


def test_only_an_escaped_dollar_reaches_a_pod_as_it_is(tmp_path: Path) -> None:
    """Kubernetes would put a variable in place of $(here)."""
    launch(*POD, *ODD, f"out={tmp_path}")
    _, job = manifest(tmp_path / "job.yaml")
    assert any("$$(here)" in word for word in job["spec"]["template"]["spec"]["containers"][0]["command"])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--to", "slurm", "sed=1"], "sed: no such key"),
        (["--to", "slurm", "dist.node=1"], "dist.node: a job file sets it"),
        (["--to", "slurm", "--gpus-per-node", "8", "dist.nproc=4"], "dist.nproc: a job file sets it"),
        (["--to", "slurm", "--nodes", "0"], "--nodes"),
        (["--to", "slurm", "--image", "x"], "--image: expected with --to kubernetes"),
        (["--to", "kubernetes", "--image", "x"], "--claim: expected with --to kubernetes"),
        ([*POD, "--partition", "x"], "--partition: expected with --to slurm only"),
        (["--to", "slurm", "--nodes", "2", "dist.least=3"], "dist.least: 3, with 2 in dist.nodes"),
        (["--to", "slurm", "--nodes", "2", "dist.tp=4"], "dist.nproc: 2 processes, expected a multiple"),
        (["--to", "slurm", "stages.sft.parent=nope"], "no stage 'nope'"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_written(
    words: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["launch", "pocket", *words, f"out={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert named in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


SRUN = """#!/bin/bash
while [ "$1" != bash ]; do shift; done
for node in 0 1; do SLURM_NODEID=$node "$@" & tasks[node]=$!; done
worst=0
for task in "${tasks[@]}"; do wait "$task"; code=$?; [ $code -gt $worst ] && worst=$code; done
exit $worst
"""
SCONTROL = """#!/bin/bash
if [ "$1" = requeue ]; then echo "$2" > "$REQUEUED"; else echo 127.0.0.1; echo 127.0.0.2; fi
"""


def cluster(folder: Path) -> dict[str, str]:
    """The environment of a job on two nodes which are both this machine."""
    folder.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    own = {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_JOB_ID": f"{job()}", "SLURM_JOB_NODELIST": "here[1-2]"}
    return {**environment(), **own, "REQUEUED": f"{folder / 'requeued'}"}


def job() -> int:
    """A job's number whose port is free."""
    while True:
        number = random.randrange(20000)
        with socket.socket() as ear:
            if ear.connect_ex(("127.0.0.1", 20000 + number)):
                return number


def test_the_script_trains_on_two_nodes(smoke: Path, tmp_path: Path) -> None:
    """A smoke run of which one stage is missing, taken up by the script's own command on a faked cluster."""
    run = tmp_path / "run"
    shutil.copytree(smoke, run)
    shutil.rmtree(run / "sft")
    launch(
        "--smoke", "--to", "slurm", "--nodes", "2", "device=cpu", "dist.patience=120", "dist.floor.disk=0", f"out={run}"
    )
    env = cluster(tmp_path / "bin")
    done = subprocess.run(["bash", run / "job.sbatch"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, f"{run / 'report.html'}\n"), done.stderr
    assert not (tmp_path / "bin" / "requeued").exists()
    events = [json.loads(line) for line in (run / "nodes.jsonl").read_text().splitlines()]
    assert [one["event"] for one in events] == ["came", "round"] and events[-1]["nodes"] == 2
    ours, before = (json.loads((one / "sft" / "done.json").read_text()) for one in (run, smoke))
    assert ours["loss"] == pytest.approx(before["loss"], rel=1e-3) and ours["tokens"] == before["tokens"]


@pytest.mark.parametrize(("code", "again"), [(0, False), (2, False), (137, True), (143, True)])
def test_a_job_is_queued_again_where_it_can_go_on(code: int, again: bool, tmp_path: Path) -> None:
    launch("--to", "slurm", "--nodes", "2", f"out={tmp_path}")
    env = cluster(tmp_path / "bin")
    (tmp_path / "bin" / "srun").write_text(f"#!/bin/bash\nexit {code}\n")
    done = subprocess.run(["bash", tmp_path / "job.sbatch"], env=env, capture_output=True, text=True)
    assert done.returncode == code and (tmp_path / "bin" / "requeued").exists() == again
