// Colour of one part: key light with shadow, hemisphere ambient, fill light; and the person's number in a second target.
in vec3 position;
in vec3 normal;
in vec3 rest;
in vec2 uv;
in vec4 cloth;
in vec3 light_position;
layout(location = 0) out vec4 colour_out;
layout(location = 1) out uint person_out;

uniform sampler2D picture;
uniform sampler2D normal_map;
uniform uint person;
uniform vec3 tint;
uniform float recolour;
uniform float roughness;
uniform float gloss;
uniform vec3 eye;
uniform vec3 key_direction;
uniform vec3 key_colour;
uniform vec3 fill_direction;
uniform vec3 fill_colour;
uniform vec3 ambient_up;
uniform vec3 ambient_down;

//INCLUDE cut.glsl
//INCLUDE shadow.glsl
#if SURFACE == 1
//INCLUDE cloth.glsl
#endif

vec3 base_colour() {
#if TEXTURED
    vec4 texel = texture(picture, uv);
    if (texel.a < alpha_cut) discard;
    vec3 c = texel.rgb * texel.rgb;  // gamma 2 in and out: a software rasteriser pays dearly for pow
    return mix(c, vec3(2.2 * dot(c, vec3(0.3, 0.59, 0.11))), recolour) * tint;
#else
    return tint;
#endif
}

vec3 mapped_normal(vec3 n) {
    // Tangent frame from screen derivatives (Schueler 2006): no tangents need to be stored or skinned.
    vec3 dx = dFdx(position), dy = dFdy(position);
    vec2 du = dFdx(uv), dv = dFdy(uv);
    vec3 a = cross(dy, n), b = cross(n, dx);
    vec3 t = a * du.x + b * dv.x, s = a * du.y + b * dv.y;
    float size = inversesqrt(max(max(dot(t, t), dot(s, s)), 1e-20));
    vec3 m = texture(normal_map, uv).xyz * 2.0 - 1.0;
    return normalize(mat3(t * size, s * size, n) * vec3(m.xy * 1.2, max(m.z, 0.2)));
}

float highlight(vec3 n, vec3 view, vec3 h) {
    // GGX lobe with Schlick's Fresnel term of a dielectric.
    float nh = max(dot(n, h), 0.0), a2 = roughness * roughness * roughness * roughness;
    float spread = nh * nh * (a2 - 1.0) + 1.0, away = 1.0 - max(dot(h, view), 0.0), away2 = away * away;
    return a2 / (3.1416 * spread * spread) * (0.04 + 0.96 * away2 * away2 * away);
}

void main() {
    discard_cut_away(cloth, rest);
    vec3 base = base_colour();
    vec3 view = normalize(eye - position), n = normalize(normal);
    if (dot(n, view) < 0.0) n = -n;
#if SURFACE == 1
    weave(base, n, rest, cloth);
#endif
#if NORMAL_MAP
    n = mapped_normal(n);
#endif
#if SURFACE == 3
    float lit = lit_share(light_position, 0, 0.0035);
#else
    float lit = lit_share(light_position, 1, 0.0035);
#endif
    float facing = dot(n, key_direction);
#if SURFACE == 0
    // Light that enters skin leaves it again beyond the terminator, red the farthest.
    const vec3 WRAP = vec3(0.35, 0.18, 0.12);
    vec3 light = key_colour * max((facing + WRAP) / (1.0 + WRAP), 0.0) * (lit + vec3(0.06, 0.0, 0.0) * (1.0 - lit));
#else
    vec3 light = key_colour * max(facing, 0.0) * lit;
#endif
    vec3 ambient = mix(ambient_down, ambient_up, n.y * 0.5 + 0.5);
    light += fill_colour * max(dot(n, fill_direction), 0.0) + ambient;
    vec3 c = base * light;
#if SURFACE != 3
    vec3 h = normalize(key_direction + view);
    float grazing = 1.0 - max(dot(n, view), 0.0), rim = grazing * grazing * grazing * grazing;
    c += gloss * (key_colour * highlight(n, view, h) * max(facing, 0.0) * lit * 0.35 + ambient * rim * 0.25);
#endif
#if SURFACE == 2
    float along = dot(normalize(cross(n, vec3(1.0, 0.0, 0.2))), h);  // Kajiya and Kay 1989
    c += gloss * key_colour * lit * pow(max(1.0 - along * along, 0.0), 18.0) * 0.12 * (0.3 + base);
#elif SURFACE == 1
    c += base * ambient * rim * 0.5;
#endif
    c = c * (1.0 + c / 9.0) / (1.0 + 0.35 * c);  // a film's shoulder: bright cloth keeps its folds
    colour_out = vec4(sqrt(max(c, 0.0)), 1.0);
    person_out = person;
}
