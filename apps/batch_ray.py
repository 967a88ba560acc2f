"""Ray's side of a batch: workers that load the networks once and lift clips that they are sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecore.errors import PoseError

if TYPE_CHECKING:
    from apps.batch_jobs import Job, Outcome
    from apps.settings import Settings


class Worker:
    """Lifts clips on one thread; becomes a Ray actor in `start`."""

    def __init__(self, settings: Settings) -> None:
        import torch

        from apps.pipeline import load_networks

        torch.set_num_threads(1)
        self._settings, self._networks = settings, load_networks(settings)

    def lift(self, job: Job) -> Outcome:
        """Lift one clip."""
        from apps.batch_jobs import lift

        return lift(job, self._settings, self._networks)


def start(ray: Any, settings: Settings, workers: int) -> Any:
    """A pool of workers on the cluster of RAY_ADDRESS, or on this machine. PoseError if Ray does not start or answer."""
    from ray.util import ActorPool

    places = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"env_vars": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "PYTHONPATH": os.pathsep.join(places)}}
    local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(runtime_env=environment, log_to_driver=False, logging_level="error", **local)
    except Exception as error:  # Ray raises plain ones
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PoseError(f"Ray cannot be started or reached ({reason}); --engine local does without") from None
    actor = ray.remote(num_cpus=1)(Worker)
    return ActorPool([actor.remote(settings) for _ in range(workers)])


def stop(ray: Any) -> None:
    """Leave the cluster; one that `start` made here ends."""
    ray.shutdown()
