// A floor that shows nothing but the shadows on it, for photographs as backgrounds.
in vec3 light_position;
layout(location = 0) out vec4 colour_out;
layout(location = 1) out uint person_out;
uniform float shadow_strength;

//INCLUDE shadow.glsl

void main() {
    colour_out = vec4(0.0, 0.0, 0.0, (1.0 - lit_share(light_position, 2, 0.002)) * shadow_strength);
    person_out = 0u;
}
