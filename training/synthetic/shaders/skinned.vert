// Linear blend skinning of one part; bones are rows of 3x4 matrices in a float texture (3 texels a bone).
in vec3 rest_position;
in vec3 rest_normal;
in vec2 texture_uv;
in vec4 bone_index;
in vec4 bone_weight;
in vec4 cloth_uv;

uniform sampler2D bones;
uniform mat4 clip_stage;
uniform mat4 light_stage;
uniform vec3 eye;
uniform float inflate_m;
uniform float loose_m;
uniform float lift_m;

out vec3 position;
out vec3 normal;
out vec3 rest;
out vec2 uv;
out vec4 cloth;
out vec3 light_position;

mat4x3 bone_matrix(float index) {
    int row = int(index);
    vec4 x = texelFetch(bones, ivec2(0, row), 0);
    vec4 y = texelFetch(bones, ivec2(1, row), 0);
    vec4 z = texelFetch(bones, ivec2(2, row), 0);
    return mat4x3(x.x, y.x, z.x, x.y, y.y, z.y, x.z, y.z, z.z, x.w, y.w, z.w);
}

void main() {
    // A loose garment stands off more towards its hems than at the shoulders.
    float towards_hem = max(max(cloth_uv.x, max(cloth_uv.y, 0.0)), 0.7 * (1.0 - clamp(cloth_uv.z, 0.0, 1.0)));
    vec3 p = rest_position + rest_normal * (inflate_m + loose_m * smoothstep(0.0, 1.0, towards_hem));
    mat4x3 m = bone_matrix(bone_index.x) * bone_weight.x;
    m += bone_matrix(bone_index.y) * bone_weight.y;
    m += bone_matrix(bone_index.z) * bone_weight.z;
    m += bone_matrix(bone_index.w) * bone_weight.w;
    position = m * vec4(p, 1.0);
    normal = mat3(m) * rest_normal;
    rest = rest_position;
    uv = vec2(texture_uv.x, 1.0 - texture_uv.y);
    cloth = cloth_uv;
    light_position = (light_stage * vec4(position, 1.0)).xyz * 0.5 + 0.5;
    gl_Position = clip_stage * vec4(position, 1.0);
    // The lift moves only the depth: layers keep their order without changing their outline.
    vec4 lifted = clip_stage * vec4(position + normalize(eye - position) * lift_m, 1.0);
    gl_Position.z = lifted.z / lifted.w * gl_Position.w;
}
