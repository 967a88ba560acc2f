in vec2 uv;
layout(location = 0) out vec4 colour_out;
layout(location = 1) out uint person_out;
uniform sampler2D picture;

void main() {
    colour_out = vec4(texture(picture, uv).rgb, 1.0);
    person_out = 0u;
}
