// Procedural cloth: value noise, folds and printed patterns in rest coordinates, so that they move with the person.
uniform vec3 tint_2;
uniform vec3 tint_3;
uniform vec2 pattern_shape;  // repeats per metre, duty or strength
uniform float fold_depth;
uniform float fold_rate;
uniform vec3 seed;

float hash(vec3 p) {
    p = fract(p * 0.3183099 + vec3(0.1, 0.2, 0.3)) * 17.0;
    return fract(p.x * p.y * p.z * (p.x + p.y + p.z));
}

float noise(vec3 p) {
    vec3 i = floor(p), f = fract(p);
    f = f * f * (3.0 - 2.0 * f);
    vec4 near = vec4(hash(i), hash(i + vec3(1, 0, 0)), hash(i + vec3(0, 1, 0)), hash(i + vec3(1, 1, 0)));
    vec4 far = vec4(hash(i + vec3(0, 0, 1)), hash(i + vec3(1, 0, 1)), hash(i + vec3(0, 1, 1)), hash(i + vec3(1, 1, 1)));
    vec4 z = mix(near, far, f.z);
    vec2 y = mix(z.xy, z.zw, f.y);
    return mix(y.x, y.y, f.x);
}

float fold_height(vec3 rest_position) {
    vec3 q = rest_position * fold_rate + seed;
    float warp = noise(q * 0.6) * 1.6;
    q += warp * vec3(1.0, 0.3, 0.6);
    float ridge = 1.0 - abs(2.0 * noise(q * vec3(1.0, 0.45, 1.0)) - 1.0);
    return 0.55 * ridge * ridge + 0.45 * noise(q * vec3(1.9, 0.8, 1.9) + 7.0);
}

vec3 printed(vec3 base, vec3 p, vec4 c) {
    bool arm = c.x > 0.13;
    float along = arm ? c.x * 0.55 : p.y;
    float across = arm ? atan(p.y, p.z) * 0.07 : p.x + 0.35 * p.z;
    float rate = pattern_shape.x, shape = pattern_shape.y;
    float m = 0.0;
#if PATTERN == 1
    m = step(0.5 + 0.3 * shape, fract(along * rate));
#elif PATTERN == 2
    m = step(0.5 + 0.3 * shape, fract(across * rate));
#elif PATTERN == 3
    m = 0.5 * (step(0.6, fract(along * rate)) + step(0.6, fract(across * rate)));
    float thin = step(0.93, fract(along * rate * 0.5 + 0.3)) + step(0.93, fract(across * rate * 0.5 + 0.3));
    base = mix(base, tint_3, 0.8 * clamp(thin, 0.0, 1.0));
#elif PATTERN == 4
    m = mod(floor(along * rate) + floor(across * rate), 2.0);
#elif PATTERN == 5
    m = smoothstep(0.3, 0.25, length(fract(vec2(across, along) * rate) - 0.5));
#elif PATTERN == 6
    base = mix(base, tint_3, step(0.95, noise(p * rate * 0.6 + seed) + 0.5 * noise(p * rate * 1.4 + seed)));
    m = step(0.75, noise(p * rate * 0.7 - seed) + 0.4 * noise(p * rate * 1.7));
#elif PATTERN == 7
    return mix(base, texture(picture, vec2(across, -along) * rate * 0.25 + seed.xy).rgb, shape);
#elif PATTERN == 8
    m = smoothstep(0.35, 0.65, c.z + 0.3 * shape - 0.15);
#elif PATTERN == 9
    vec2 g = vec2(p.x / 0.24 + 0.5, (c.z - 0.52) / 0.34);
    if (p.z > 0.0 && all(greaterThan(g, vec2(0.0))) && all(lessThan(g, vec2(1.0))))
        return mix(base, texture(picture, vec2(g.x, 1.0 - g.y) * 0.5 + seed.xy).rgb, shape);
    return base;
#endif
    return mix(base, tint_2, m);
}

void weave(inout vec3 colour, inout vec3 n, vec3 p, vec4 c) {
#if PATTERN != 0
    colour = printed(colour, p, c);
#endif
    colour *= 0.9 + 0.16 * noise(p * 420.0 + seed) + 0.08 * (noise(p * 35.0) - 0.5);
#if FOLDS
    const float STEP_M = 0.008;
    float depth = fold_depth * (0.6 + 1.3 * c.w);  // cloth folds where the skin weights mix: at joints
    float here = fold_height(p);
    vec3 slope = vec3(fold_height(p + vec3(STEP_M, 0, 0)), fold_height(p + vec3(0, STEP_M, 0)), fold_height(p + vec3(0, 0, STEP_M)));
    slope = (slope - here) / STEP_M;
    slope -= n * dot(n, slope);
    n = normalize(n - slope * depth * 0.02);
    colour *= mix(1.0, 0.78 + 0.32 * here, min(depth, 1.0));
#endif
}
