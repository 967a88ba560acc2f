"""A tiny made-up copy of MPI-INF-3DHP in its published layout: a standing person glides past calibrated cameras."""

import cv2
import numpy as np
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from posecore.skeleton import load_skeleton

MPI = load_skeleton("mpi_inf_3dhp")
SIZE = 160
FRAMES = 6
K = np.array([[150.0, 0, 81.2], [0, 151.0, 78.4], [0, 0, 1]])
SCALE = 1.11  # of the actor: true metres per universal metre

# A standing person who faces the camera, metres about the pelvis, camera axes (own left at the image's right).
_MIDDLE = {
    "pelvis": 0.0,
    "spine": -0.22,
    "spine2": -0.3,
    "spine3": -0.38,
    "spine4": -0.46,
    "neck": -0.5,
    "head": -0.6,
    "head_top": -0.8,
}
_SIDE = {
    "clavicle": (0.05, -0.45, 0.0),
    "shoulder": (0.18, -0.45, 0.0),
    "elbow": (0.24, -0.2, 0.02),
    "wrist": (0.26, 0.02, -0.08),
    "hand": (0.26, 0.1, -0.1),
    "hip": (0.1, 0.02, 0.0),
    "knee": (0.11, 0.44, -0.04),
    "ankle": (0.11, 0.84, 0.0),
    "foot": (0.12, 0.88, -0.1),
    "toe": (0.12, 0.9, -0.16),
}


def standing_person():
    """(28, 3) metres about the pelvis, knee-to-neck height 0.92."""
    at = {name: (0.0, y, 0.0) for name, y in _MIDDLE.items()}
    for part, (x, y, z) in _SIDE.items():
        at[f"left_{part}"], at[f"right_{part}"] = (x, y, z), (-x, y, z)
    xyz = np.array([at[joint] for joint in MPI.joints])
    hip, knee = xyz[MPI.index("left_hip")], xyz[MPI.index("left_knee")]
    return xyz * 0.92 / (np.linalg.norm(knee - hip) + 0.5)


def walk(frames):
    """True and universal joints (F, 28, 3) in the first camera's axes, metres: steps of 0.25 m to the right."""
    person = standing_person() @ Rotation.from_euler("y", 25, degrees=True).as_matrix().T
    at = np.array([[-0.6 + 0.25 * k, 0.1, 4.0 + 0.05 * k] for k in range(frames)])
    return SCALE * person + at[:, None], person + at[:, None]


def project(xyz):
    """(..., 3) to (..., 2) pixels."""
    return (xyz / xyz[..., 2:]) @ K[:2].T


def picture(camera, index):
    """A flat picture whose colours tell which it is: RGB (20 camera, 40 index, 200)."""
    return np.full((SIZE, SIZE, 3), (20 * camera, 40 * index, 200), np.uint8)


def write_calibration(path, cameras):
    lines = ["Skeletool Camera Calibration File V1.0"]
    for camera in cameras:
        lines += [
            f"name          {camera}",
            "  sensor      10 10",
            f"  size        {SIZE} {SIZE}",
            "  animated    0",
            f"  intrinsic   {K[0, 0]} 0 {K[0, 2]} 0 0 {K[1, 1]} {K[1, 2]} 0 0 0 1 0 0 0 0 1 ",
            "  extrinsic   1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1 ",
            "  radial      0",
        ]
    path.write_text("\n".join(lines) + "\n")


def write_annotations(path, cameras, frames, exchanged=slice(0, 0)):
    xyz, universal = walk(frames)
    xy = project(xyz)
    for part in (xy, xyz, universal):
        part[exchanged] = part[exchanged][:, MPI.mirror]
    cells = {name: np.empty((len(cameras), 1), object) for name in ("annot2", "annot3", "univ_annot3")}
    for k in range(len(cameras)):
        for name, values in (("annot2", xy), ("annot3", 1000 * xyz), ("univ_annot3", 1000 * universal)):
            cells[name][k, 0] = values.reshape(frames, -1)
    savemat(path, {**cells, "frames": np.arange(frames)[:, None], "cameras": np.array(cameras)[None]})


def write_video(path, rgbs):
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (SIZE, SIZE))
    for rgb in rgbs:
        video.write(rgb[..., ::-1].copy())
    video.release()


def write_pictures(folder, name, rgbs):
    for k, rgb in enumerate(rgbs):
        path = folder / name.format(number=k + 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rgb[..., ::-1])


def foreground_mask(index):
    """As FGmasks: red bright on the person, green dark on upper clothes, blue dark on lower; also red dirt far away."""
    mask = np.zeros((SIZE, SIZE, 3), np.uint8)
    mask[..., 1:] = 255
    x = int(project(walk(FRAMES)[0])[index, MPI.index("pelvis"), 0])
    mask[40:130, x - 10 : x + 10, 0] = 255
    mask[50:80, x - 8 : x + 8, 1] = 0
    mask[80:120, x - 8 : x + 8, 2] = 0
    mask[0:4, 0:4, 0] = 255
    return mask


def chair_mask():
    """As ChairMasks: red dark on the chair."""
    mask = np.full((SIZE, SIZE, 3), 255, np.uint8)
    mask[100:140, 130:150] = 0
    return mask


def write_sequence(folder, cameras=(0, 1, 2), frames=FRAMES, exchanged=slice(0, 0)):
    """One sequence: camera 0 as a video, 1 as the set's own kind of extracted pictures, the others in folders of their own.

    There is one annotation more than there are pictures.
    """
    folder.mkdir(parents=True)
    write_annotations(folder / "annot.mat", list(cameras), frames + 1, exchanged)
    write_calibration(folder / "camera.calibration", range(14))
    pictures = folder / "imageSequence"
    for camera in cameras:
        rgbs = [picture(camera, k) for k in range(frames)]
        if camera == 0:
            write_video(pictures / "video_0.avi", rgbs)
        else:
            name = "img_1_{number:06d}.jpg" if camera == 1 else f"video_{camera}/frame_{{number:06d}}.jpg"
            write_pictures(pictures, name, rgbs)


def write_masks(folder, camera=0, frames=FRAMES):
    write_pictures(folder / "FGmasks", f"img_{camera}_{{number:06d}}.png", [foreground_mask(k) for k in range(frames)])
    write_video(folder / "ChairMasks" / f"video_{camera}.avi", [chair_mask() for _ in range(frames)])


def write_test_sequence(folder, frames=4, invalid=(1,)):
    """A test sequence: the first 17 joints of vnect21, MATLAB 7.3, one picture more than annotations."""
    import h5py

    order = MPI.indices(load_skeleton("vnect21").joints[:17])
    xyz, universal = walk(frames)
    folder.mkdir(parents=True)
    with h5py.File(folder / "annot_data.mat", "w") as stored:
        stored["annot2"] = project(xyz)[:, None, order]
        stored["annot3"], stored["univ_annot3"] = 1000 * xyz[:, None, order], 1000 * universal[:, None, order]
        stored["valid_frame"] = np.array([[float(k not in invalid)] for k in range(frames)])
    write_pictures(folder / "imageSequence", "img_{number:06d}.jpg", [picture(1, k) for k in range(frames + 1)])
