"""Weights that travel with the repository: `NAME.safetensors` in float16 and `NAME.yaml`, its card, side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from posecore.config import Settings, override
from posecore.errors import ConfigError, WeightsError


@dataclass(frozen=True)
class Weights:
    """Tensors by name (float32) with the card that came with them and the file's sha256."""

    path: Path
    tensors: dict[str, NDArray[np.float32]]
    card: dict[str, Any]
    sha256: str

    def config(self, plain: Settings) -> Settings:
        """`plain` with the sizes of the network that the card tells. WeightsError if it tells none, or what nobody knows."""
        told, card = self.card.get("config"), self.path.with_suffix(".yaml").name
        if not isinstance(told, Mapping):
            raise WeightsError(f"{card} has no 'config', the sizes of the network; take the card that came with the weights")
        try:
            return override(plain, told, "config")
        except ConfigError as error:
            raise WeightsError(f"{card} does not describe a network of this version: {error}") from None

    def expect_skeleton(self, name: str) -> None:
        """WeightsError if the card tells of another skeleton; cards that tell of none are believed."""
        told = self.card.get("skeleton", name)
        if told != name:
            raise WeightsError(
                f"{self.path.name} is of the skeleton '{told}', expected '{name}'; name other weights with --set"
            )


def file_sha256(path: Path) -> str:
    """A file's sha256, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_weights(path: Path, *networks: str) -> Weights:
    """Read weights and card, check the sum and that they are for one of these networks. WeightsError says what is wrong."""
    card_path = path.with_suffix(".yaml")
    for part in (path, card_path):
        if not part.is_file():
            raise WeightsError(f"weights file {part} is missing; get it back with `git checkout` or name another with --set")
    card = _read_card(card_path)
    if card.get("network") not in networks:
        expected = " or ".join(f"'{network}'" for network in networks)
        raise WeightsError(f"{path.name} holds weights of '{card.get('network')}', expected {expected}")
    found = file_sha256(path)
    if card.get("sha256") != found:
        raise WeightsError(
            f"{path.name} is damaged: its sha256 is {found[:12]}..., its card says {str(card.get('sha256'))[:12]}..."
        )
    return Weights(path, _read_tensors(path), card, found)


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise WeightsError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(card, dict):
        raise WeightsError(
            f"{path}: expected a card of 'name: value' lines, got {'nothing' if card is None else repr(card)[:40]}"
        )
    return card


def _read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = {k: v.astype(np.float32) for k, v in load_file(path).items()}
    except SafetensorError as error:
        raise WeightsError(f"{path.name} is no safetensors file ({error})") from None
    bad = [k for k, v in tensors.items() if not np.isfinite(v).all()]
    if bad:
        raise WeightsError(
            f"{path.name} cannot be used: {len(bad)} of its tensors are not finite (NaN or too large), first {bad[0]}"
        )
    return tensors


def save_weights(path: Path, tensors: dict[str, NDArray], card: dict[str, Any]) -> None:
    """Write float16 weights and their card; the card gains `sha256`. Batch counters are left out, networks recreate them."""
    from safetensors.numpy import save_file

    kept = {k: np.ascontiguousarray(v.astype(np.float16)) for k, v in tensors.items() if v.dtype.kind == "f"}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(kept, path)
    path.chmod(0o644)
    text = yaml.safe_dump({**card, "sha256": file_sha256(path)}, sort_keys=False, allow_unicode=True, width=120)
    path.with_suffix(".yaml").write_text(text, encoding="utf-8")
