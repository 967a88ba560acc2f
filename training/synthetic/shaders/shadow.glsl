// Share of the key light that arrives, by percentage-closer filtering of the shadow map.
uniform sampler2DShadow shadow_map;
uniform float shadow_softness;  // distance of the taps, in shadow map coordinates

float lit_share(vec3 p, int reach, float bias) {
    if (any(lessThan(p, vec3(0.0))) || any(greaterThan(p, vec3(1.0)))) return 1.0;
    float sum = 0.0;
    for (int i = -reach; i <= reach; i++)
        for (int j = -reach; j <= reach; j++) sum += texture(shadow_map, vec3(p.xy + vec2(i, j) * shadow_softness, p.z - bias));
    return sum / float((2 * reach + 1) * (2 * reach + 1));
}
