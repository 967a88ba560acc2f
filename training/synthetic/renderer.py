"""Rasteriser on OpenGL 3.3 through EGL, headless, by CPU (llvmpipe) or GPU. One context per process.

Shaders are specialised per material by preprocessor constants: a software rasteriser executes both sides of every branch.
Colour, person number and depth come from one multisampled pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera
from posecore.errors import MissingDependencyError
from training.synthetic.materials import Colour, Material, Part

NEAR_M, FAR_M = 0.05, 80.0
_ATTRIBUTES = {"rest_position": 3, "rest_normal": 3, "texture_uv": 2, "bone_index": 4, "bone_weight": 4, "cloth_uv": 4}
_IDENTITY_BONE = np.eye(3, 4, dtype=np.float32)[None]
_QUAD = np.array([-1, -1, 1, -1, -1, 1, 1, 1], np.float32)


@dataclass
class Mesh:
    """A part on the graphics side; vertex arrays are made per program when first drawn."""

    vertices: Any
    faces: Any
    material: Material
    arrays: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Draw:
    """One mesh in one picture: bones as from `Renderer.bones`; person 0 is the scene, 1.. the people."""

    mesh: Mesh
    bones: Any
    person: int = 0
    casts_shadow: bool = True


@dataclass(frozen=True)
class Light:
    """Linear RGB light; directions point towards it. The shadow map covers a cube around centre_m of half side reach_m."""

    key_direction: NDArray[np.float64]
    key_colour: Colour
    fill_direction: NDArray[np.float64]
    fill_colour: Colour
    ambient_up: Colour
    ambient_down: Colour
    shadow_softness: float
    centre_m: NDArray[np.float64]
    reach_m: float


@dataclass(frozen=True)
class Picture:
    """rgb (H, W, 3) uint8; person (H, W) uint8, 0 where nobody is in front; depth_m (H, W) along the optical axis."""

    rgb: NDArray[np.uint8]
    person: NDArray[np.uint8]
    depth_m: NDArray[np.float32]


class Renderer:
    """Draws skinned parts. MissingDependencyError where there is no moderngl or no EGL."""

    def __init__(self, samples: int = 4, shadow_size: int = 512) -> None:
        self.gl = _open_context()
        self._samples = samples
        self._programs: dict[tuple, Any] = {}
        self._targets: dict[tuple[int, int], tuple[Any, Any]] = {}
        self._shadow_map = self.gl.depth_texture((shadow_size, shadow_size))
        self._shadow_map.compare_func = "<="
        self._shadow_target = self.gl.framebuffer(depth_attachment=self._shadow_map)
        self._backdrop = self._program(("backdrop.vert", "backdrop.frag", ()))
        self._quad = self.gl.vertex_array(self._backdrop, [(self.gl.buffer(_QUAD.tobytes()), "2f", "corner")])
        self._white = self.texture(np.full((1, 1, 4), 255, np.uint8))
        self.still_bones = self.bones(_IDENTITY_BONE)
        self._ground = self._ground_mesh()

    def texture(self, image: NDArray[np.uint8]) -> Any:
        """Mip-mapped texture of an image (H, W, 3 or 4)."""
        height, width, channels = image.shape
        handle = self.gl.texture((width, height), channels, np.ascontiguousarray(image).tobytes(), alignment=1)
        handle.build_mipmaps()
        return handle

    def mesh(self, part: Part) -> Mesh:
        """Upload a part."""
        vertices = self.gl.buffer(np.ascontiguousarray(part.vertices, np.float32).tobytes())
        return Mesh(vertices, self.gl.buffer(np.ascontiguousarray(part.faces, np.int32).tobytes()), part.material)

    def bones(self, T_bones: NDArray[np.floating]) -> Any:
        """Upload (B, 3, 4) bone transforms."""
        handle = self.gl.texture((3, len(T_bones)), 4, np.ascontiguousarray(T_bones, np.float32).tobytes(), dtype="f4")
        handle.filter = (self.gl.NEAREST, self.gl.NEAREST)
        return handle

    def still_life(self, shadowless: Sequence[Part], casting: Sequence[Part]) -> list[Draw]:
        """Upload scenery. A room's shell casts no shadow: its lamp is thought to hang inside."""
        return [
            Draw(self.mesh(p), self.still_bones, casts_shadow=k >= len(shadowless))
            for k, p in enumerate([*shadowless, *casting])
        ]

    def render(
        self,
        draws: Sequence[Draw],
        camera: Camera,
        T_camera_stage: NDArray,
        light: Light,
        backdrop: Any,
        floor_shadow: float = 0.0,
    ) -> Picture:
        """Draw a picture. `backdrop`: texture behind everything; floor_shadow 0..1: darkness of shadows on the floor y = 0."""
        self.gl.gc()
        target, resolved = self._target(camera.size_wh)
        shared = _shared_uniforms(camera, T_camera_stage, light)
        self.gl.enable(self.gl.DEPTH_TEST)
        self._shadow_target.use()
        self._shadow_target.clear(depth=1.0)
        light_only = {**shared, "clip_stage": shared["light_stage"]}
        self._draw("shadow", "depth.frag", [draw for draw in draws if draw.casts_shadow], light_only)
        target.use()
        target.clear(depth=1.0)
        self.gl.disable(self.gl.DEPTH_TEST)
        backdrop.use(1)
        self._quad.render(self.gl.TRIANGLE_STRIP)
        self.gl.enable(self.gl.DEPTH_TEST)
        self._shadow_map.use(3)
        if floor_shadow > 0:
            self._draw_ground(target, {**shared, "shadow_strength": floor_shadow})
        self._draw("colour", "colour.frag", draws, shared)
        self.gl.copy_framebuffer(resolved, target)
        return _read(resolved)

    def _draw(self, purpose: str, fragment: str, draws: Iterable[Draw], shared: Mapping[str, Any]) -> None:
        prepared: set[int] = set()
        for draw in draws:
            material = draw.mesh.material
            program = self._program(("skinned.vert", fragment, material.defines(purpose)))
            if id(program) not in prepared:
                _set_uniforms(program, shared)
                prepared.add(id(program))
            lift_m = 0.0 if purpose == "shadow" else material.lift_m
            _set_uniforms(program, {**material.uniforms(), "lift_m": lift_m, "person": draw.person})
            draw.bones.use(0)
            (material.texture or self._white).use(1)
            (material.normal_map or self._white).use(2)
            self._array(draw.mesh, program).render()

    def _draw_ground(self, target: Any, shared: Mapping[str, Any]) -> None:
        program = self._program(("skinned.vert", "ground.frag", ()))
        _set_uniforms(program, {**shared, **self._ground.material.uniforms()})
        self.gl.enable(self.gl.BLEND)
        target.color_mask, target.depth_mask = ((True,) * 4, (False,) * 4), False
        self.still_bones.use(0)
        self._array(self._ground, program).render()
        target.color_mask, target.depth_mask = ((True,) * 4, (True,) * 4), True
        self.gl.disable(self.gl.BLEND)

    def _ground_mesh(self) -> Mesh:
        vertices = np.zeros((4, sum(_ATTRIBUTES.values())), np.float32)
        vertices[:, [0, 2]] = 20.0 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        vertices[:, 4] = vertices[:, 12] = 1.0
        return self.mesh(Part(vertices, np.array([[0, 1, 2], [0, 2, 3]], np.int32), Material()))

    def _program(self, key: tuple[str, str, tuple[tuple[str, int], ...]]) -> Any:
        if key not in self._programs:
            vertex, fragment, defines = key
            head = "#version 330\n" + "".join(f"#define {name} {value}\n" for name, value in defines)
            program = self.gl.program(head + shader_source(vertex), head + shader_source(fragment))
            units = {"bones": 0, "picture": 1, "normal_map": 2, "shadow_map": 3}
            _set_uniforms(program, units)
            self._programs[key] = program
        return self._programs[key]

    def _array(self, mesh: Mesh, program: Any) -> Any:
        if id(program) not in mesh.arrays:
            used = [name for name in _ATTRIBUTES if name in program]
            layout = " ".join(f"{n}f" if name in used else f"{4 * n}x" for name, n in _ATTRIBUTES.items())
            mesh.arrays[id(program)] = self.gl.vertex_array(program, [(mesh.vertices, layout, *used)], mesh.faces)
        return mesh.arrays[id(program)]

    def _target(self, size_wh: tuple[int, int]) -> tuple[Any, Any]:
        if size_wh not in self._targets:
            gl, samples = self.gl, self._samples
            colours = [gl.renderbuffer(size_wh, 4, samples=samples), gl.renderbuffer(size_wh, 1, samples=samples, dtype="u1")]
            drawn = gl.framebuffer(colours, gl.depth_renderbuffer(size_wh, samples=samples))
            plain = [gl.texture(size_wh, 4), gl.texture(size_wh, 1, dtype="u1")]
            self._targets[size_wh] = (drawn, gl.framebuffer(plain, gl.depth_texture(size_wh)))
        return self._targets[size_wh]


def _open_context() -> Any:
    try:
        import moderngl
    except ImportError:
        raise MissingDependencyError("rendering people needs the library moderngl: pip install 'video3d[render]'") from None
    try:
        options: dict[str, Any] = {"backend": "egl"}
        context = moderngl.create_context(require=330, standalone=True, **options)
    except Exception as error:
        raise MissingDependencyError(f"no OpenGL 3.3 through EGL ({error}): install libegl1 and libgl1-mesa-dri") from None
    context.gc_mode = "context_gc"  # what is no longer referenced is freed when the next picture begins
    return context


@cache
def shader_source(name: str) -> str:
    """A shader file with its `//INCLUDE file` lines replaced by those files."""
    text = (files("training.synthetic") / "shaders" / name).read_text(encoding="utf-8")
    lines = [shader_source(line.split()[1]) if line.startswith("//INCLUDE") else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def _set_uniforms(program: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name in program:
            if isinstance(value, np.ndarray) and value.ndim == 2:
                program[name].write(np.ascontiguousarray(value.T, np.float32).tobytes())
            else:
                program[name].value = tuple(value) if isinstance(value, np.ndarray) else value


def _shared_uniforms(camera: Camera, T_camera_stage: NDArray, light: Light) -> dict[str, Any]:
    eye = -T_camera_stage[:3, :3].T @ T_camera_stage[:3, 3]
    names = ("key_direction", "key_colour", "fill_direction", "fill_colour", "ambient_up", "ambient_down", "shadow_softness")
    return {
        "clip_stage": clip_matrix(camera) @ T_camera_stage,
        "light_stage": _light_matrix(light),
        "eye": eye,
        **{name: getattr(light, name) for name in names},
    }


def clip_matrix(camera: Camera) -> NDArray[np.float64]:
    """(4, 4) camera axes to OpenGL clip coordinates; image row 0 is the first row read back, pixel centres are integers."""
    (width, height), K = camera.size_wh, camera.K_px
    a, b = (FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    x = [2 * K[0, 0] / width, 2 * K[0, 1] / width, 2 * (K[0, 2] + 0.5) / width - 1, 0]
    y = [0, 2 * K[1, 1] / height, 2 * (K[1, 2] + 0.5) / height - 1, 0]
    return np.array([x, y, [0, 0, a, b], [0, 0, 1, 0]])


def _light_matrix(light: Light) -> NDArray[np.float64]:
    forward = -light.key_direction
    side = np.cross([0.0, 1.0, 0.0] if abs(forward[1]) < 0.95 else [1.0, 0.0, 0.0], forward)
    side /= np.linalg.norm(side)
    T = np.eye(4)
    T[:3, :3] = np.stack([side, np.cross(forward, side), forward])
    T[:3, 3] = -T[:3, :3] @ light.centre_m
    return np.diag([1 / light.reach_m, 1 / light.reach_m, 0.5 / light.reach_m, 1.0]) @ T


def _read(resolved: Any) -> Picture:
    width, height = resolved.size
    rgb = np.frombuffer(resolved.read(components=4, alignment=1), np.uint8).reshape(height, width, 4)[..., :3]
    person = np.frombuffer(resolved.read(components=1, attachment=1, alignment=1, dtype="u1"), np.uint8)
    stored = np.frombuffer(resolved.read(components=1, attachment=-1, alignment=1, dtype="f4"), np.float32)
    depth = 2 * FAR_M * NEAR_M / (FAR_M + NEAR_M - (2 * stored - 1) * (FAR_M - NEAR_M))
    return Picture(np.ascontiguousarray(rgb), person.reshape(height, width).copy(), depth.reshape(height, width))
