"""The shared language of the rooms: types, skeletons, cameras, video, files. numpy, scipy, opencv and yaml; never torch."""
