"""Two processes on one training do what one does alone (training.parallel), tried on the CPU."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from posecore.errors import ConfigError
from tests.test_training_loop import CONFIG, LineTask
from training import stream
from training.loop import Trainer
from training.parallel import leave
from training.stream import batches

ROOT = Path(__file__).resolve().parents[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def line(folder):
    """One process of the training; each starts from other weights, which must not matter."""
    torch.manual_seed(int(os.environ.get("RANK", "0")))
    network = nn.Linear(1, 1)
    trainer = Trainer(LineTask(), network, replace(CONFIG, evaluate_every=40), folder)
    figures = trainer.run(lambda text: None)
    assert bool(figures) == trainer.leads
    torch.save(network.state_dict(), folder / f"weights_{os.environ.get('RANK', 'alone')}.pt")
    leave()


def test_two_processes_train_as_one_with_the_whole_batch(tmp_path):
    (tmp_path / "two").mkdir()
    code = f"from pathlib import Path; from tests.test_training_parallel import line; line(Path({str(tmp_path / 'two')!r}))"
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code],
            cwd=ROOT,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    line(tmp_path)
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    alone = torch.load(tmp_path / "weights_alone.pt", weights_only=True)
    for rank in range(2):
        together = torch.load(tmp_path / "two" / f"weights_{rank}.pt", weights_only=True)
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)  # halves are summed in another order
    logs = [(folder / "log.jsonl").read_text().count("val_slope") for folder in (tmp_path, tmp_path / "two")]
    assert logs[0] == logs[1] > 2
    assert (tmp_path / "two" / "checkpoint.pt").is_file()


@pytest.mark.parametrize("processes", [2, 4])
def test_shares_of_a_batch_are_the_batch(monkeypatch, processes):
    whole = list(batches(LineTask().make, 8, 1, 16, 61, workers=0))
    shares = []
    for process in range(processes):
        monkeypatch.setattr(stream, "place", lambda process=process: (process, processes))
        shares.append(list(batches(LineTask().make, 8, 1, 16, 61, workers=0)))
    assert [len(share) for share in shares] == [len(whole)] * processes
    for together, *parts in zip(whole, *shares, strict=True):
        torch.testing.assert_close(torch.cat([p["x"] for p in parts]).sort(dim=0).values, together["x"].sort(dim=0).values)


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr(stream, "place", lambda: (0, 3))
    with pytest.raises(ConfigError, match="multiple"):
        batches(LineTask().make, 8, 1, 0, 64, workers=0)
