// Shadow map pass: only what is cut away matters.
in vec3 rest;
in vec2 uv;
in vec4 cloth;
uniform sampler2D picture;

//INCLUDE cut.glsl

void main() {
    discard_cut_away(cloth, rest);
#if TEXTURED
    if (texture(picture, uv).a < alpha_cut) discard;
#endif
}
