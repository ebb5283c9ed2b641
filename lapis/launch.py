"""Job files for clusters: the same `lapis run` on every node, as a Slurm script or a Kubernetes manifest.

Unusual: nothing is submitted and nothing is installed. The file holds the whole command, every word quoted, and the
node's number and the leader's address come from the cluster when it runs. A Slurm job goes on in the folder where the
file was written; pods see the run under `/runs`, where the volume claim is mounted.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lapis import coherent, config, files
from lapis.types import InputError

OURS = ("dist.nodes", "dist.node", "dist.rendezvous", "dist.nproc", "device")
"""Fields that a job file sets by itself."""
PORT = 29500
MARGIN = 30
"""Seconds beyond `dist.grace` between SIGTERM and what ends a job for good."""
MOUNT = "/runs"


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a job asks of its cluster."""

    to: str
    nodes: int = 1
    gpus: int = 0
    """On each node; 0 trains on CPUs."""
    partition: str = ""
    minutes: int = 0
    """Time limit; 0 is the partition's own."""
    image: str = ""
    claim: str = ""
    """Name of a volume claim that every pod can write."""
    shm: int = 16
    """GiB of /dev/shm in a pod."""


def own_words(cluster: Cluster, given: Sequence[str]) -> list[str]:
    """The words that a job adds to those given. Raises InputError for one that it sets itself, or an option amiss."""
    for word in given:
        name = word.partition("=")[0]
        if name in OURS[:3] or (cluster.gpus and name in OURS):
            raise InputError(f"{name}: a job file sets it itself; see --nodes and --gpus-per-node")
    if cluster.nodes < 1 or cluster.gpus < 0 or cluster.minutes < 0 or cluster.shm < 1:
        raise InputError("--nodes, --gpus-per-node, --minutes, --shm: expected 1 or more")
    slurm = cluster.to == "slurm"
    for name, value in (("partition", cluster.partition), ("minutes", cluster.minutes)):
        if value and not slurm:
            raise InputError(f"--{name}: expected with --to slurm only")
    for name, text in (("image", cluster.image), ("claim", cluster.claim)):
        if bool(text) == slurm:
            raise InputError(f"--{name}: expected with --to kubernetes, and only there")
    words = [f"dist.nodes={cluster.nodes}"]
    return [*words, f"dist.nproc={cluster.gpus}", "device=cuda"] if cluster.gpus else words


def write(recipe: config.Recipe, command: Sequence[str], cluster: Cluster, folder: Path) -> Path:
    """The job file of a run in `folder`, written there. `command` is `run RECIPE key=value ...` without place.

    Raises InputError for a recipe that does not hold together.
    """
    shape = replace(recipe.dist, rendezvous=f"head:{PORT}" if recipe.dist.nodes > 1 else "")
    coherent.check(replace(recipe, device="auto", dist=shape))
    if cluster.to == "slurm":
        path, text = folder / "job.sbatch", slurm(recipe, command, cluster, folder.absolute())
    else:
        path, text = folder / "job.yaml", kubernetes(recipe, command, cluster, folder.name)
    files.write(path, text)
    return path


def slurm(recipe: config.Recipe, command: Sequence[str], cluster: Cluster, folder: Path) -> str:
    """A script for sbatch."""
    words = [sys.executable, "-m", "lapis", *command, f"out={folder}"]
    asked = {
        "job-name": f"lapis-{recipe.name}",
        "nodes": cluster.nodes,
        "ntasks-per-node": 1,
        "gpus-per-node": cluster.gpus,
        "partition": cluster.partition,
        "time": cluster.minutes,
        "signal": f"TERM@{recipe.dist.grace + MARGIN}",
        "output": f"{folder}/slurm-%j.log",
    }
    options = "\n".join(f"#SBATCH --{name}={json.dumps(value)}" for name, value in asked.items() if value)
    place = "\"dist.rendezvous=${hosts%%$'\\n'*}:$((20000 + SLURM_JOB_ID % 20000))\"" if cluster.nodes > 1 else ""
    return SLURM.format(
        options=options,
        folder=shlex.quote(str(Path.cwd())),
        command=shlex.join(words),
        place=place,
        number=' "dist.node=$SLURM_NODEID"' if cluster.nodes > 1 else "",
        restarts=recipe.dist.restarts,
    )


SLURM = """\
#!/bin/bash
{options}
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --no-kill
#SBATCH --requeue
#SBATCH --open-mode=append
# One task a node, which starts that node's processes. A node that dies or leaves itself out ends neither the job nor
# the others; before the time limit all get SIGTERM, save, and the job is queued again to go on.
cd {folder} || exit
hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
srun --no-kill --kill-on-bad-exit=0 --cpu-bind=none bash -c 'exec "$@"{number}' node \\
  {command} {place}
code=$?
# 143: stopped by SIGTERM. 2: the input is wrong, or a node was left out. The rest: the leading node was lost.
if [ "$code" -eq 143 ] || {{ [ "$code" -ne 0 ] && [ "$code" -ne 2 ] \\
  && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {restarts} ]; }}; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def kubernetes(recipe: config.Recipe, command: Sequence[str], cluster: Cluster, run: str) -> str:
    """A manifest for `kubectl apply`: a Job whose pods are numbered, and the names under which they find each other."""
    name = "lapis-" + re.sub("[^a-z0-9]+", "-", recipe.name.lower()).strip("-")
    words = [*command, f"out={MOUNT}/{run}"]
    # Kubernetes replaces $(NAME) in a command; a doubled dollar is one that is meant.
    words = ["lapis", *(word.replace("$(", "$$(") for word in words)]
    if cluster.nodes > 1:
        words += [f"dist.rendezvous={name}-0.{name}:{PORT}", "dist.node=$(NODE)"]
    least = recipe.dist.least or cluster.nodes
    return KUBERNETES.format(
        name=name,
        port=PORT,
        nodes=cluster.nodes,
        restarts=recipe.dist.restarts,
        spare=cluster.nodes - least,
        grace=recipe.dist.grace + MARGIN,
        image=json.dumps(cluster.image),
        command=json.dumps(words, ensure_ascii=False),
        limits=json.dumps({"nvidia.com/gpu": cluster.gpus} if cluster.gpus else {}),
        mount=MOUNT,
        claim=json.dumps(cluster.claim),
        shm=cluster.shm,
    )


KUBERNETES = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {{job-name: {name}}}
  ports: [{{name: rendezvous, port: {port}}}]
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {nodes}
  parallelism: {nodes}
  # A pod that was lost comes back and joins again; one that left itself out (exit code 2) stays out.
  backoffLimitPerIndex: {restarts}
  maxFailedIndexes: {spare}
  podFailurePolicy:
    rules:
      - action: FailIndex
        onExitCodes: {{operator: In, values: [2]}}
      - action: Ignore
        onPodConditions: [{{type: DisruptionTarget}}]
  template:
    spec:
      subdomain: {name}
      restartPolicy: Never
      terminationGracePeriodSeconds: {grace}
      containers:
        - name: lapis
          image: {image}
          command: {command}
          env:
            - name: NODE
              valueFrom:
                fieldRef: {{fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
          resources: {{limits: {limits}}}
          volumeMounts:
            - {{name: runs, mountPath: {mount}}}
            - {{name: shm, mountPath: /dev/shm}}
      volumes:
        - name: runs
          persistentVolumeClaim: {{claimName: {claim}}}
        - name: shm
          emptyDir: {{medium: Memory, sizeLimit: {shm}Gi}}
"""
