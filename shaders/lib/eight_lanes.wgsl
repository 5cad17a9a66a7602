// Sums over eight lanes that follow each other in one subgroup. Needs SUBGROUP.

fn sum_of_lanes(value: f32) -> f32 {
    let two = value + subgroupShuffleXor(value, 1u);
    let four = two + subgroupShuffleXor(two, 2u);
    return four + subgroupShuffleXor(four, 4u);
}

// The sums of eight rows, spread over the lanes: each step sends half of a lane's rows to the lane
// across, until lane l has all of row l.
fn sum_of_own_row(acc: array<vec4<f32>, 2>, lane: u32) -> f32 {
    let up4 = (lane & 4u) != 0u;
    let up2 = (lane & 2u) != 0u;
    let up1 = (lane & 1u) != 0u;
    let a = select(acc[0], acc[1], up4) + subgroupShuffleXor(select(acc[1], acc[0], up4), 4u);
    let b = select(a.xy, a.zw, up2) + subgroupShuffleXor(select(a.zw, a.xy, up2), 2u);
    return select(b.x, b.y, up1) + subgroupShuffleXor(select(b.y, b.x, up1), 1u);
}
