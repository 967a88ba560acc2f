"use strict";
// The moving parts of report.html: skeletons on a canvas, a plot, and the film, all on the same frame.
const data = JSON.parse(document.getElementById("data").textContent);
const bytes = Uint8Array.from(atob(data.xyz_mm), (c) => c.charCodeAt(0));
const xyz_mm = new Int16Array(bytes.buffer);
const UNKNOWN = -32768;
const frames = data.time_s.length, joints = data.joints.length, people = data.persons.length;
const film = document.getElementById("film");
const view = { azimuth: 0.5, elevation: 0.25, distance: 6, target: [0, 0, 0.9] };
let frame = 0, playing = false, clock = 0;

function joint(person, f, j) {
  const at = ((person * frames + f) * joints + j) * 3;
  if (xyz_mm[at] === UNKNOWN) return null;
  return [xyz_mm[at] / 1000, xyz_mm[at + 1] / 1000, xyz_mm[at + 2] / 1000];
}

function fitCanvas(canvas) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== width * scale || canvas.height !== height * scale) {
    canvas.width = width * scale; canvas.height = height * scale;
  }
  const ink = canvas.getContext("2d");
  ink.setTransform(scale, 0, 0, scale, 0, 0);
  ink.clearRect(0, 0, width, height);
  return [ink, width, height];
}

function camera(width, height) {
  const ca = Math.cos(view.azimuth), sa = Math.sin(view.azimuth);
  const ce = Math.cos(view.elevation), se = Math.sin(view.elevation);
  const forward = [-sa * ce, ca * ce, -se], right = [ca, sa, 0], up = [-sa * se, ca * se, ce];
  const focal = 1.4 * Math.min(width, height);
  return (p) => {
    const d = [p[0] - view.target[0], p[1] - view.target[1], p[2] - view.target[2]];
    const dot = (a) => a[0] * d[0] + a[1] * d[1] + a[2] * d[2];
    const z = dot(forward) + view.distance;
    return z < 0.2 ? null : [width / 2 + focal * dot(right) / z, height / 2 - focal * dot(up) / z, z];
  };
}

function line(ink, project, a, b) {
  const p = a && project(a), q = b && project(b);
  if (!p || !q) return;
  ink.beginPath(); ink.moveTo(p[0], p[1]); ink.lineTo(q[0], q[1]); ink.stroke();
}

function drawWorld() {
  const [ink, width, height] = fitCanvas(document.getElementById("world"));
  const project = camera(width, height);
  const cx = Math.round(view.target[0]), cy = Math.round(view.target[1]);
  ink.strokeStyle = "#d3d8e0"; ink.lineWidth = 1;
  for (let k = -5; k <= 5; k++) {
    for (let m = -5; m < 5; m++) {
      line(ink, project, [cx + k, cy + m, 0], [cx + k, cy + m + 1, 0]);
      line(ink, project, [cx + m, cy + k, 0], [cx + m + 1, cy + k, 0]);
    }
  }
  ink.lineCap = "round";
  for (let person = 0; person < people; person++) {
    for (const [a, b] of data.limbs) {
      const left = data.joints[b].startsWith("left") || data.joints[a].startsWith("left");
      const rgb = data.colours[person].map((c) => (left ? Math.round(c * 0.55 + 255 * 0.45) : c));
      ink.strokeStyle = `rgb(${rgb})`; ink.lineWidth = Math.max(2, 26 / view.distance);
      line(ink, project, joint(person, frame, a), joint(person, frame, b));
    }
  }
}

function series(person, j, what) {
  const out = [];
  for (let f = 0; f < frames; f++) {
    const here = joint(person, f, j);
    if (what === "height") { out.push(here ? here[2] : null); continue; }
    const before = f > 0 ? joint(person, f - 1, j) : null, after = f + 1 < frames ? joint(person, f + 1, j) : null;
    const a = before || here, b = after || here;
    const dt = data.time_s[after ? f + 1 : f] - data.time_s[before ? f - 1 : f];
    out.push(here && dt > 0 ? Math.hypot(b[0] - a[0], b[1] - a[1], b[2] - a[2]) / dt : null);
  }
  return out;
}

function drawPlot() {
  const [ink, width, height] = fitCanvas(document.getElementById("plot"));
  const j = Number(document.getElementById("joint").value), what = document.getElementById("what").value;
  const all = data.persons.map((_, person) => series(person, j, what));
  const values = all.flat().filter((v) => v !== null);
  if (!values.length) return;
  const low = Math.min(0, ...minMax(values)), high = Math.max(...minMax(values)) * 1.05 + 1e-6;
  const first_s = data.time_s[0], last_s = data.time_s[frames - 1];
  const x = (f) => 44 + (width - 54) * (frames > 1 ? (data.time_s[f] - first_s) / (last_s - first_s) : 0);
  const y = (v) => height - 22 - (height - 34) * (v - low) / (high - low);
  ink.font = "12px system-ui, sans-serif"; ink.fillStyle = "#6a7280"; ink.strokeStyle = "#d9dde4"; ink.lineWidth = 1;
  for (let k = 0; k <= 4; k++) {
    const v = low + (high - low) * k / 4;
    ink.fillText(v.toFixed(2), 4, y(v) + 4);
    ink.beginPath(); ink.moveTo(44, y(v)); ink.lineTo(width - 10, y(v)); ink.stroke();
  }
  ink.fillText(`${first_s.toFixed(2)} s`, 44, height - 5);
  ink.fillText(`${last_s.toFixed(2)} s`, width - 54, height - 5);
  all.forEach((row, person) => {
    ink.strokeStyle = `rgb(${data.colours[person]})`; ink.lineWidth = 1.6; ink.beginPath();
    let pen = false;
    row.forEach((v, f) => {
      if (v === null) { pen = false; return; }
      if (pen) ink.lineTo(x(f), y(v)); else ink.moveTo(x(f), y(v));
      pen = true;
    });
    ink.stroke();
  });
  ink.strokeStyle = "#23272f"; ink.beginPath(); ink.moveTo(x(frame), 8); ink.lineTo(x(frame), height - 22); ink.stroke();
}

function minMax(values) {
  return values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
}

function show(f, fromFilm) {
  frame = Math.max(0, Math.min(frames - 1, f));
  document.getElementById("scrub").value = frame;
  document.getElementById("now").textContent = `frame ${frame}, ${data.time_s[frame].toFixed(2)} s`;
  if (film && !fromFilm) film.currentTime = data.time_s[frame] + 1e-3;
  drawWorld(); drawPlot();
}

function frameAt(time_s) {
  let low = 0, high = frames - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (data.time_s[middle] <= time_s + 1e-4) low = middle; else high = middle - 1;
  }
  return low;
}

function tick(now) {
  if (film && !film.paused) { show(frameAt(film.currentTime), true); }
  else if (playing) {
    const time_s = data.time_s[0] + (now - clock) / 1000;
    if (time_s > data.time_s[frames - 1]) clock = now;
    show(frameAt(time_s), true);
  }
  requestAnimationFrame(tick);
}

function start() {
  if (!frames) return;
  const select = document.getElementById("joint");
  data.joints.forEach((name, j) => select.add(new Option(name, j, name === "pelvis", name === "pelvis")));
  const scrub = document.getElementById("scrub"), play = document.getElementById("play"), world = document.getElementById("world");
  scrub.max = frames - 1;
  scrub.oninput = () => { playing = false; if (film) film.pause(); show(Number(scrub.value)); };
  play.onclick = () => {
    if (film) { if (film.paused) film.play(); else film.pause(); return; }
    playing = !playing; clock = performance.now() - 1000 * (data.time_s[frame] - data.time_s[0]);
    play.textContent = playing ? "pause" : "play";
  };
  if (film) { film.onplay = () => (play.textContent = "pause"); film.onpause = () => (play.textContent = "play"); }
  select.onchange = drawPlot; document.getElementById("what").onchange = drawPlot;
  world.onpointermove = (e) => {
    if (!e.buttons) return;
    view.azimuth -= e.movementX * 0.01; view.elevation = Math.max(-0.2, Math.min(1.5, view.elevation + e.movementY * 0.01));
    drawWorld();
  };
  world.onwheel = (e) => { e.preventDefault(); view.distance *= Math.exp(e.deltaY * 0.001); drawWorld(); };
  document.querySelectorAll("[data-frame]").forEach((a) => (a.onclick = (e) => { e.preventDefault(); show(Number(a.dataset.frame)); }));
  window.onresize = () => { drawWorld(); drawPlot(); };
  frameEverybody();
  show(data.first_frame, data.first_frame === 0);
  requestAnimationFrame(tick);
}

function frameEverybody() {
  const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (let person = 0; person < people; person++) {
    for (let f = 0; f < frames; f++) {
      const p = joint(person, f, data.joints.indexOf("pelvis"));
      for (let k = 0; p && k < 2; k++) { low[k] = Math.min(low[k], p[k]); high[k] = Math.max(high[k], p[k]); }
    }
  }
  if (!Number.isFinite(low[0])) return;
  view.target = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, 0.9];
  view.distance = 3 + 1.1 * Math.hypot(high[0] - low[0], high[1] - low[1]);
}

start();
