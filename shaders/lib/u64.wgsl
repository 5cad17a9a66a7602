// Words of u64 loads: a software adapter pays per load and component, whatever its width. Needs SHADER_INT64.

fn halves(q: vec2<u64>) -> vec4<u32> { return vec4(u32(q.x), u32(q.x >> 32u), u32(q.y), u32(q.y >> 32u)); }
fn low_words(q: vec4<u64>) -> vec4<u32> { return vec4(u32(q.x), u32(q.y), u32(q.z), u32(q.w)); }
fn high_words(q: vec4<u64>) -> vec4<u32> { return low_words(q >> vec4(32u)); }
