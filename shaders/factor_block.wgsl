// A = L Lᵀ of a block on the diagonal, which becomes X = L⁻¹. Column after column k, with s_j = a[j, k] for j > k, 1 for
// j = k, a[k, j] for j < k, and p_j = s_j / sqrt(a[k, k]): rows i > k become a[i, j] - p_i p_j for j <= i, where a[i, k]
// counts as 0, and row k becomes p. Only the lower triangle is read and written. One workgroup does it in its memory.

struct Params { n: u32, first: u32, len: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> matrix: array<f32>;
@group(0) @binding(2) var<storage, read_write> pivots: array<f32>;

const BLOCK = 64u;
const SIDE = 16u;
const PER = 4u;

var<workgroup> block: array<f32, BLOCK * BLOCK>;

fn s_at(j: u32, k: u32) -> f32 {
    let value = block[select(k * BLOCK + j, j * BLOCK + k, j > k)];
    return select(value, 1.0, j == k);
}

fn a_at(at: u32) -> f32 {
    let i = at / BLOCK;
    let j = at % BLOCK;
    let last = params.len - 1u;
    let value = matrix[(params.first + min(i, last)) * params.n + params.first + min(j, last)];
    return select(0.0, value, i <= last && j <= i);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    for (var at = lane; at < BLOCK * BLOCK; at += 4u * 256u) {
        let loaded = vec4(a_at(at), a_at(at + 256u), a_at(at + 512u), a_at(at + 768u));
        for (var b = 0u; b < 4u; b++) { block[at + b * 256u] = loaded[b]; }
    }
    // Lanes without an element of their own read another's.
    storageBarrier();
    workgroupBarrier();
    let tx = lane % SIDE;
    let ty = lane / SIDE;
    for (var k = 0u; k < params.len; k++) {
        let pivot = block[k * (BLOCK + 1u)];
        // The host looks at the pivots; those that are not positive are not to spread what is no number.
        let scale = select(0.0, 1.0 / sqrt(pivot), pivot > 0.0);
        if (lane == 0u) { pivots[params.first + k] = pivot; }
        var rows: array<f32, PER>;
        var cols: array<f32, PER>;
        for (var a = 0u; a < PER; a++) {
            rows[a] = scale * s_at(ty + a * SIDE, k);
            cols[a] = scale * s_at(tx + a * SIDE, k);
        }
        workgroupBarrier();
        for (var a = 0u; a < PER; a++) {
            for (var b = 0u; b < PER; b++) {
                let i = ty + a * SIDE;
                let j = tx + b * SIDE;
                let at = i * BLOCK + j;
                let updated = select(block[at], 0.0, j == k) - rows[a] * cols[b];
                if (i >= k && j <= i) { block[at] = select(updated, cols[b], i == k); }
            }
        }
        workgroupBarrier();
    }
    for (var at = lane; at < BLOCK * BLOCK; at += 256u) {
        let i = at / BLOCK;
        let j = at % BLOCK;
        if (i < params.len && j <= i) { matrix[(params.first + i) * params.n + params.first + j] = block[at]; }
    }
}
