// Where a row's keys lie in the cache: key j in slot j before x, j + y before z, j + w from there on.
fn slot_of(j: u32, reach: vec4<u32>) -> u32 {
    return j + select(select(reach.w, reach.y, j < reach.z), 0u, j < reach.x);
}
