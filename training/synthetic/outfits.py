"""What a person wears: skin, hair, shoes and either an artist-made suit or clothes cut from the body's helper meshes.

Cut clothes need no texture and vary without limit: a T-shirt is the part of the tights with arm < sleeve and
hem < height < neckline, trousers the part with leg < length and height < waist (cloth coordinates of garments.py). The
shader discards the rest per pixel, which gives clean hems; the same test hides the body underneath.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.synthetic.assets import AssetPack
from training.synthetic.body import BodyModel, BodyShape
from training.synthetic.garments import Garment, Topology, Wardrobe, render_vertices
from training.synthetic.materials import (
    NO_CUT,
    Material,
    Part,
    Pattern,
    Region,
    Rng,
    Surface,
    Triple,
    cloth_colour,
    hair_colour,
    scaled,
    trouser_colour,
)

_SUITS = {
    True: [f"male_casualsuit0{i}" for i in range(1, 7)] + ["male_elegantsuit01", "male_worksuit01"],
    False: ["female_casualsuit01", "female_casualsuit02", "female_elegantsuit01", "female_sportsuit01"],
}
_HAIR = {
    True: ["short01", "short02", "short02", "short03", "short04", "short04", "afro01"],
    False: ["bob01", "bob02", "braid01", "long01", "long01", "ponytail01", "ponytail01", "afro01", "short01"],
}
_SHOES = [f"shoes0{i}" for i in range(1, 7)]
_HATS = ["fedora", "fedora_cocked"]
_EYEBROWS = [f"eyebrow00{i}" for i in range(1, 7)]
_SUIT_SHARE, _SKIRT_SHARE, _JACKET_SHARE, _SHOES_SHARE, _HAIR_SHARE, _HAT_SHARE = 0.3, 0.3, 0.22, 0.94, 0.95, 0.05


class TextureSource(Protocol):
    """Gives a handle of a texture file, and random pictures to print on cloth."""

    def get(self, path: Any) -> Any:
        """Handle of the texture at `path`."""

    def random_print(self, rng: Rng) -> Any:
        """Handle of a random picture."""


class Dresser:
    """Dresses bodies at random."""

    def __init__(
        self, pack: AssetPack, model: BodyModel, wardrobe: Wardrobe, textures: TextureSource, bare: float = 0.0
    ) -> None:
        """`bare`: share of people in shorts and, women, a short top; half of them barefoot. With 0 nothing is drawn for it, so
        that everything else is as it was before there were any."""
        self.pack, self.model, self.wardrobe, self.textures, self.bare = pack, model, wardrobe, textures, bare
        self.skins = pack.texture_stems("skin_")

    def dress(self, body: BodyShape, rng: Rng) -> list[Part]:
        """All parts of one person, body surfaces included."""
        return _Fitting(self, body, rng).parts


class _Fitting:
    """One person being dressed; the parts grow in `parts`."""

    def __init__(self, dresser: Dresser, body: BodyShape, rng: Rng) -> None:
        self.shop, self.body, self.rng = dresser, body, rng
        self.parts: list[Part] = []
        self.hidden = np.zeros(len(body.vertices_m), bool)
        self.cut_top = self.cut_bottom = NO_CUT
        self.shoes_share = _SHOES_SHARE
        suits = self._known(_SUITS[body.male])
        if dresser.bare > 0 and self._chance(dresser.bare):
            self._shorts()
        elif rng.random() < _SUIT_SHARE and suits:
            self._suit(suits)
        else:
            self._cut_clothes()
        self._accessories()
        self._skin()

    def _chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _seed(self) -> Triple:
        x, y, z = self.rng.uniform(0, 50, 3)
        return (float(x), float(y), float(z))

    def _add_helper(self, topology: Topology, material: Material, faces: NDArray[np.int32] | None = None) -> None:
        """A surface of the body model itself, faces that the cuts discard left out."""
        cloth = self.shop.wardrobe.cloth
        faces = topology.faces if faces is None else faces
        faces = faces[_kept_faces(material, cloth[topology.vertex], faces)]
        if len(faces):
            model = self.shop.model
            rows = render_vertices(topology, self.body.vertices_m, model.weight_bones, model.weights, cloth)
            self.parts.append(Part(rows, faces, material))

    def _add_garment(self, kind: str, name: str, material: Material) -> None:
        garment: Garment = self.shop.wardrobe.garment(name)
        self.hidden[garment.hides] = True
        colour, normal = (self.shop.pack.texture(f"{kind}_{name}_{suffix}") for suffix in "dn")
        get = self.shop.textures.get
        material = replace(material, texture=get(colour), normal_map=get(normal) if normal else None, alpha_cut=0.45)
        points = garment.fit(self.body.vertices_m)
        rows = render_vertices(garment.topology, points, garment.bones, garment.weights, garment.cloth)
        self.parts.append(Part(rows, garment.topology.faces, material))

    def _pick(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def _dyed(self, plain_share: float, gain: float, offset: float) -> Material:
        """Keeps an artist's colours or dyes them."""
        if self._chance(plain_share):
            return Material(tint=(1.0, 1.0, 1.0))
        return Material(tint=scaled(cloth_colour(self.rng), gain, offset), recolour=1.0)

    def _known(self, names: Sequence[str]) -> list[str]:
        """Those of the garments that the pack has."""
        return [name for name in names if name in self.shop.wardrobe.names]

    def _suit(self, suits: list[str]) -> None:
        self._add_garment("clothes", self._pick(suits), replace(self._dyed(0.45, 1.3, 0.03), lift_m=0.004))

    def _pattern(self, plain_share: float) -> dict[str, Any]:
        """Pattern arguments of a Material."""
        rng, colours = self.rng, {"tint_2": cloth_colour(self.rng), "tint_3": cloth_colour(self.rng)}
        if self._chance(plain_share):
            return colours
        choice = Pattern(int(rng.choice(np.arange(1, 10), p=[0.16, 0.1, 0.16, 0.08, 0.08, 0.08, 0.08, 0.08, 0.18])))
        rates = {Pattern.PLAID: (8, 25), Pattern.CHECKS: (10, 30), Pattern.DOTS: (15, 50), Pattern.CAMOUFLAGE: (8, 20)}
        rate = rng.uniform(*rates.get(choice, (2, 8) if choice == Pattern.ALL_OVER_PRINT else (12, 45)))
        shape = (float(rate), float(rng.uniform(0.5, 1) if choice in _PRINTS else rng.uniform(-0.8, 0.8)))
        picture = self.shop.textures.random_print(rng) if choice in _PRINTS else None
        return {**colours, "pattern": choice, "pattern_shape": shape, "texture": picture}

    def _cut_clothes(self) -> None:
        rng = self.rng
        skirt = not self.body.male and self._chance(_SKIRT_SHARE)
        leg_end = rng.choice([0.97, 0.88, 0.6, 0.45, 0.33], p=[0.55, 0.11, 0.11, 0.12, 0.11])
        if skirt and self._chance(0.5):
            leg_end = 0.12
        bottom = self._bottom(float(leg_end))
        if skirt:
            cloth = replace(bottom, region=Region.ALL, cut_bottom=NO_CUT, inflate_m=0.004, lift_m=0.005)
            self._add_helper(self.shop.wardrobe.skirt, cloth)
        self._top()

    def _shorts(self) -> None:
        """As one swims or trains: skin where others wear a shirt."""
        self.shoes_share = _SHOES_SHARE / 2
        self._bottom(float(self._pick([0.6, 0.45, 0.33, 0.2])))
        if not self.body.male:
            self.cut_top = (0.14, float(self.rng.uniform(0.4, 0.6)), float(self.rng.uniform(0.85, 0.95)))
            self._shirt()

    def _bottom(self, leg_end: float) -> Material:
        """Trousers down to `leg_end` of the leg."""
        rng = self.rng
        self.cut_bottom = (leg_end, float(rng.uniform(0.12, 0.24)), 0.0)
        folds: dict[str, Any] = {"fold_rate": float(rng.uniform(8, 18)), "seed": self._seed(), "gloss": 0.25}
        bottom = Material(tint=trouser_colour(rng), region=Region.BOTTOM, cut_bottom=self.cut_bottom, **folds)
        bottom = replace(bottom, **self._pattern(0.8), fold_depth=float(rng.uniform(0.3, 1.2)), lift_m=0.003, roughness=0.85)
        loose = float(rng.choice([0.002, 0.008, 0.014, 0.02]))
        self._add_helper(self.shop.wardrobe.tights, replace(bottom, inflate_m=float(rng.uniform(0.002, 0.006)), loose_m=loose))
        return bottom

    def _top(self) -> None:
        rng = self.rng
        sleeve = float(rng.choice([0.99, 0.97, 0.95, 0.6, 0.52, 0.45, 0.3, 0.25, 0.22, 0.14]))
        hem = float(rng.choice([-0.06, -0.03, 0.0, 0.06, 0.1]))
        self.cut_top = (sleeve, hem, float(rng.uniform(0.93, 1.04)))
        shirt, near, loose = self._shirt()
        if self._chance(_JACKET_SHARE):
            gap = float(rng.uniform(0.03, 0.09)) if self._chance(0.7) else 0.0
            jacket = replace(
                shirt, pattern=Pattern.NONE, texture=None, tint=cloth_colour(rng), cut_top=(0.97, hem - 0.06, 0.99)
            )
            outer: dict[str, Any] = {
                "inflate_m": near + float(rng.uniform(0.010, 0.015)),
                "loose_m": loose + 0.006,
                "lift_m": 0.014,
            }
            self._add_helper(self.shop.wardrobe.tights, replace(jacket, front_gap_m=gap, seed=self._seed(), gloss=0.4, **outer))

    def _shirt(self) -> tuple[Material, float, float]:
        """What covers the trunk as far as `cut_top` says, and how near (metres) and how loose it is."""
        rng = self.rng
        near, loose = float(rng.uniform(0.004, 0.009)), float(rng.choice([0.002, 0.008, 0.015, 0.02]))
        folds: dict[str, Any] = {
            "fold_depth": float(rng.uniform(0.3, 1.3)),
            "fold_rate": float(rng.uniform(7, 18)),
            "seed": self._seed(),
        }
        shirt = Material(tint=cloth_colour(rng), region=Region.TOP, cut_top=self.cut_top, **folds, roughness=0.8, gloss=0.25)
        shirt = replace(shirt, inflate_m=near, loose_m=loose, lift_m=0.008, **self._pattern(0.5))
        self._add_helper(self.shop.wardrobe.tights, shirt)
        return shirt, near, loose

    def _accessories(self) -> None:
        rng, male = self.rng, self.body.male
        shoes, hair, hats, brows = (self._known(names) for names in (_SHOES, _HAIR[male], _HATS, _EYEBROWS))
        if shoes and self._chance(self.shoes_share):
            self._add_garment("clothes", self._pick(shoes), replace(self._dyed(0.5, 1.5, 0.02), lift_m=0.006))
        hat = self._chance(_HAT_SHARE)
        if hair and (not male or self._chance(_HAIR_SHARE)):
            colour = scaled(hair_colour(rng), 2.2)
            look = Material(surface=Surface.HAIR, tint=colour, recolour=1.0, gloss=0.8, lift_m=0.006)
            self._add_garment("hair", self._pick(hair), look)
        if hats and hat:
            self._add_garment("clothes", self._pick(hats), replace(self._dyed(0.0, 1.4, 0), lift_m=0.01))
        if brows:
            self._add_garment("eyebrows", self._pick(brows), self._eyebrows())

    def _eyebrows(self) -> Material:
        return Material(surface=Surface.HAIR, tint=scaled(hair_colour(self.rng), 1.5), recolour=1.0, gloss=0.2, lift_m=0.004)

    def _skin(self) -> None:
        rng, wardrobe = self.rng, self.shop.wardrobe
        topology = wardrobe.body
        bare = topology.faces[~self.hidden[topology.source_faces].all(axis=1)]
        gain = rng.uniform(0.75, 1.2)
        r, g, b = (float(c) for c in gain * rng.uniform(0.94, 1.06, 3))
        region = Region.UNCLOTHED if self.cut_bottom != NO_CUT else Region.ALL
        picture = self.shop.textures.get(self._skin_texture()) if self.shop.skins else None
        tint = (r, g, b) if picture else scaled((0.55 * r, 0.3 * g, 0.2 * b), float(rng.uniform(0.15, 1.0)))
        look = Material(surface=Surface.SKIN, tint=tint, texture=picture, region=region)
        look = replace(look, roughness=float(rng.uniform(0.4, 0.6)), gloss=0.45)
        self._add_helper(topology, replace(look, cut_top=self.cut_top, cut_bottom=self.cut_bottom), bare)
        self._add_helper(wardrobe.eyes, Material(surface=Surface.PLAIN, tint=(0.3, 0.27, 0.25), roughness=0.25, gloss=0.6))

    def _skin_texture(self) -> Any:
        origin = self._pick(["caucasian", "caucasian", "african", "asian"])
        years = "young" if self.body.age < 0.75 else self.rng.choice(["young", "middleage", "old"], p=[0.3, 0.5, 0.2])
        sex = "male" if self.body.male else "female"
        stems = [s for s in self.shop.skins if s.startswith(f"skin_{years}_{origin}_{sex}_")]
        return self.shop.pack.texture(self._pick(stems or self.shop.skins))


_PRINTS = (Pattern.ALL_OVER_PRINT, Pattern.CHEST_PRINT)


def _kept_faces(material: Material, cloth: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Faces that the shader's cut can leave anything of: culled here because discarded triangles cost as much as drawn ones."""
    if material.region == Region.ALL:
        return np.ones(len(faces), dtype=np.bool_)
    if material.region == Region.UNCLOTHED:
        covered = inside_top(cloth, material.cut_top, 0.06) | inside_bottom(cloth, material.cut_bottom, 0.06)
        return np.asarray(~covered[faces].all(axis=1))
    inside = inside_top if material.region == Region.TOP else inside_bottom
    cut = material.cut_top if material.region == Region.TOP else material.cut_bottom
    return np.asarray(inside(cloth, cut, -0.05)[faces].any(axis=1))


def inside_top(cloth: NDArray[np.float32], cut: Triple, margin: float) -> NDArray[np.bool_]:
    """Which cloth coordinates (N, 4) lie inside a top's cut (sleeve, hem, neckline); the shader's rule."""
    arm, leg, height = cloth[:, 0], cloth[:, 1], cloth[:, 2]
    inside = (arm < cut[0] - margin) & (height > cut[1] + margin) & (height < cut[2] - margin) & (leg < 0.25)
    return np.asarray(inside)


def inside_bottom(cloth: NDArray[np.float32], cut: Triple, margin: float) -> NDArray[np.bool_]:
    """Which cloth coordinates (N, 4) lie inside trousers' cut (leg end, waist); the shader's rule."""
    return np.asarray((cloth[:, 1] < cut[0] - margin) & (cloth[:, 2] < cut[1] - margin) & (cloth[:, 0] < 0.05))
