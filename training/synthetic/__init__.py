"""Rendered people: clothed, moving bodies with exact labels, for training, tests and demonstration clips.

Data flow: assets (the pack on disk) -> body + retarget + motion (a posed rig) -> garments + outfits (skinned parts with
materials) -> scene + viewpoint (room, lights, camera) -> renderer (picture, person ids, depth) -> labels, sensor -> stills
(training shards, read back by `rendered.load_rendered`) or clips (video with truth).

Stage axes, used only inside this package because the body assets have them: metres, y up, a resting person faces +z with the
own left side towards +x, the floor is y = 0. What leaves the package is in camera axes, or in the z-up world of
docs/conventions.md (`viewpoint.T_STAGE_WORLD`).
"""
