"""Every setting of the fit, once, with its unit and advice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FitSettings:
    """What the fit believes about its measurements, about bodies and about motion.

    Noise that lives for a while says the same thing in neighbouring frames; `*_memory_s` is how long. Every measurement is
    weighted by the share of it that is new, so that results do not depend on the frame rate.
    """

    # 2D joints: standard deviation of a joint seen with score 1
    pixel_sigma_px: float = 2.0  # floor, in pixels; raise for blurred or strongly compressed video
    pixel_sigma_body: float = 0.0085  # share of the person's height in the image, added in quadrature
    pixel_memory_s: float = 0.06  # errors of a network change with the pose, not with the frame; 0 for independent ones
    pixel_outlier: float = 2.2  # standard deviations at which a 2D joint starts to lose its say (Geman-McClure), up to 60 fps
    pixel_outside: float = 2.5  # 2D joints beyond the picture's border are guesses: their standard deviation, of the way beyond
    # lifted joints: Track.sigma_m times these
    lift_sigma: float = 1.75  # on real clips the lift errs so much more than it says (80 % intervals hold 45 to 60 %)
    lift_sigma_floor_m: float = 0.02  # no lifted joint is believed more than this, metres
    lift_memory_s: float = 0.2  # the same for the lift; on real clips its errors fade in 0.15 to 0.2 s
    lift_outlier: float = 2.0  # standard deviations, as pixel_outlier
    score_floor: float = 0.05  # joints with a lower score are not measurements at all
    # motion
    root_acceleration_mps2: float = 10.0  # at 30 frames a second; motion capture shows 5 in the mean, and jerks beyond
    restlessness: float = 2.2  # factor on every angle's acceleration of body.yaml; lower is smoother, 1 loses jerk
    depth_velocity_mps: float = 1.5  # along the viewing ray; lower if depth wobbles
    # body
    prior: float = 0.5  # strength of the weak pull of hips, shoulders and neck to their middle; 0 turns it off
    hinge_prior: float = 0.07  # of all other joints; weaker, because what is seen of them says more than what is usual
    limit_rad: float = 0.05  # how far a joint may pass its range for one standard deviation
    # feet and floor
    contact: bool = True  # hold resting feet still
    contact_s: float = 0.10  # shorter rests are chance, seconds
    still_mps: float = 0.43  # slower than this across the viewing ray, a foot may rest
    still_along_mps: float = 1.2  # and slower than this along it
    contact_sigma_mps: float = 0.14  # how still a resting foot is held; 0.14 m/s is 5 mm a frame at 30 frames a second
    contact_outlier: float = 2.5  # standard deviations at which it slips the hold, at any fps: it may have moved after all
    floor: bool = True  # put resting feet on one plane where they fix one; off for stairs and rough ground
    floor_sigma_m: float = 0.05  # how well shoe soles, heels and joints obey the plane, where feet fix it
    floor_outlier: float = 3.0  # standard deviations, as pixel_outlier: a foot may also rest on a stool
    floor_tilt_deg: float = 15.0  # how far the floor may lean from the body's upward direction
    # what the scale rests on, relative standard deviations
    focal_sigma: float | None = None  # None: 0.2 for an assumed camera, 0.01 for any other
    stature_sigma: float | None = None  # None: 0.04 for the default stature (0.07 m), 0.006 for a given one
    # what the error bars know besides
    joint_sigma_m: float = 0.03  # how far what a network calls a joint lies from the real one's centre, on two real clips
    outside_sigma: float = 0.25  # of the way beyond the picture's border: how far off the joints there are, on cut clips
    # gaps
    fill_gap_s: float = 0.5  # shorter absences are bridged, longer ones stay empty
    # solver
    iterations: int = 12  # at most, per pass
    tolerance: float = 1.8e-2  # relative decrease of the energy that counts as progress
    window_frames: int = 1500  # frames solved together in long clips; memory grows with it, results do not change
    overlap_s: float = 1.0  # on both sides of a window
