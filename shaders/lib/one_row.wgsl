// A workgroup of lib/matvec_subgroup.wgsl takes one m: the codes of more, turned to floats once, would not fit in registers.

const BATCH = 1u;
override RUNS: u32 = 1u; // 1 or 2
alias Sums = array<vec4<f32>, 2>;
