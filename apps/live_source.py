"""Frames of a running camera: always the newest one, for a slow answer must not become an old one. A file can play it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from posecore.errors import InputError
from posecore.types import Frame
from posecore.video import VideoReader

FAILURES, RETRY_S = 10, 0.05  # reads that fail one after the other before a camera is given up


class DeviceCamera:
    """A camera by its number. Iterating gives (frame, arrival by time.monotonic); frames nobody fetched in time are dropped.
    InputError, behind the last frame, once the camera has stopped giving pictures."""

    def __init__(self, device: int) -> None:
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it would print a page about missing drivers
        self._capture = cv2.VideoCapture(device)
        cv2.utils.logging.setLogLevel(level)
        ok, bgr = self._capture.read() if self._capture.isOpened() else (False, None)
        if not ok or bgr is None:
            self._capture.release()
            raise InputError(f"camera {device} gives no picture; is it plugged in, free and allowed? try --device 1 or a file")
        self.size_wh = (bgr.shape[1], bgr.shape[0])
        self._device, self._lost = device, False
        self._newest: tuple[Any, float, int] | None = None
        self._wake, self._stop = threading.Condition(), False
        self._thread = threading.Thread(target=self._fetch, daemon=True)

    def _fetch(self) -> None:
        index, failed = 0, 0
        while not self._stop:
            ok, bgr = self._capture.read()
            failed = 0 if ok else failed + 1
            with self._wake:
                if ok:
                    self._newest, index = (bgr, time.monotonic(), index), index + 1
                self._lost = failed >= FAILURES
                self._stop = self._stop or self._lost
                self._wake.notify()
            if failed:
                time.sleep(RETRY_S)

    def __iter__(self) -> Iterator[tuple[Frame, float]]:
        self._thread.start()
        start_s = time.monotonic()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._newest is not None or self._stop)
                if self._newest is None:
                    break
                (bgr, arrived_s, index), self._newest = self._newest, None
            yield Frame(index, arrived_s - start_s, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)), arrived_s
        if self._lost:
            raise InputError(f"camera {self._device} has stopped giving pictures; is it still plugged in?")

    def close(self) -> None:
        """Let the camera go."""
        self._stop = True
        if self._thread.is_alive():
            self._thread.join(timeout=2)
        self._capture.release()


class FileCamera:
    """A clip that plays the camera. in_real_time: frames come when due and late ones are dropped; else all, when asked for."""

    def __init__(self, path: Path, in_real_time: bool = True) -> None:
        self._reader, self._in_real_time = VideoReader(path), in_real_time
        self.size_wh = self._reader.size_wh

    def __iter__(self) -> Iterator[tuple[Frame, float]]:
        start_s, waiting = None, None
        for frame in self._reader:
            if not self._in_real_time:
                yield frame, time.monotonic()
                continue
            start_s = time.monotonic() - frame.time_s if start_s is None else start_s
            due_s = start_s + frame.time_s
            if waiting is not None and time.monotonic() < due_s:  # the next one is not there yet: this is the newest
                yield waiting
            time.sleep(max(0.0, due_s - time.monotonic()))
            waiting = (frame, due_s)
        if waiting is not None:
            yield waiting

    def close(self) -> None:
        """Nothing is held open."""


def open_camera(device: str, every_frame: bool = False) -> DeviceCamera | FileCamera:
    """'0' is the first camera; anything else is a file. InputError if it gives no picture."""
    if device.isdigit():
        return DeviceCamera(int(device))
    return FileCamera(Path(device), in_real_time=not every_frame)
