// Which part of a mesh is drawn; the same rules as inside_top and inside_bottom of outfits.py.
uniform vec3 cut_top;     // sleeve end, hem, neckline
uniform vec3 cut_bottom;  // leg end, waist, unused
uniform float front_gap_m;
uniform float alpha_cut;

bool inside_top(vec4 c, float margin) {
    return c.x < cut_top.x - margin && c.z > cut_top.y + margin && c.z < cut_top.z - margin && c.y < 0.25;
}

bool inside_bottom(vec4 c, float margin) {
    return c.y < cut_bottom.x - margin && c.z < cut_bottom.y - margin && c.x < 0.05;
}

void discard_cut_away(vec4 c, vec3 rest_position) {
#if REGION == 1
    if (!inside_top(c, 0.0)) discard;
    if (rest_position.z > 0.0 && abs(rest_position.x) < front_gap_m * (1.2 - c.z)) discard;
#elif REGION == 2
    if (!inside_bottom(c, 0.0)) discard;
#elif REGION == 3
    if (inside_top(c, 0.03) || inside_bottom(c, 0.03)) discard;
#endif
}
