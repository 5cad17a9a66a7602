// y[r] = bits and index of each of the k highest of x[r, 0 .. cols], the highest first, of equal ones the lower index;
// 0xffffffff if any of them is NaN or infinite, and in pairs that are more than cols.
// A row is cut into SPLITS parts; each leaves its own k highest, of which `merge` takes the best. An element is a pair:
// its bits, changed so that they order as its value does, and its index inverted. No two are equal, and the larger
// comes first. The least element to be taken is found four bits at a time.
struct Params { cols: u32, stride: u32, k: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> parts: array<vec2<u32>>;

override WG: u32 = 256;
override SPLITS: u32 = 32;
const NOT_FINITE: u32 = 0xffffffffu;
const SIGN: u32 = 0x80000000u;

// Elements by their next four bits; in the end the first counts those taken.
var<workgroup> counts: array<atomic<u32>, 16>;
// The next four bits of the least element to be taken, and how many of those that begin alike are still to be found.
var<workgroup> found: vec2<u32>;
var<workgroup> chosen: array<vec2<u32>, 256>;

// Element i of a part that begins at `base` of x and at `first` of its row, or of what the parts of a row left. No
// finite value gives a pair that begins with NOT_FINITE, or with 0, which is none.
fn element(i: u32, base: u32, first: u32, merging: bool) -> vec2<u32> {
    if merging { return parts[base + i]; }
    let bits = x[base + i];
    let finite = (bits & 0x7f800000u) != 0x7f800000u;
    return vec2(select(NOT_FINITE, select(bits | SIGN, ~bits, bits >= SIGN), finite), ~(first + i));
}

// Counts an element that begins as the least to be taken does, or takes one that is not less where all of that is known.
fn take(e: vec2<u32>, bound: vec2<u32>, mask: vec2<u32>, left: u32, shift: u32) {
    let begin = e & mask;
    if e.x == 0u { return; }
    if left == 0u {
        if begin.x > bound.x || (begin.x == bound.x && begin.y >= bound.y) {
            chosen[atomicAdd(&counts[0], 1u)] = e;
        }
    } else if all(begin == bound) {
        atomicAdd(&counts[(select(e.y, e.x, shift >= 32u) >> (shift % 32u)) & 15u], 1u);
    }
}

// Leaves the `wanted` largest of n elements in `chosen`, in any order.
fn choose(n: u32, wanted: u32, base: u32, first: u32, merging: bool, lane: u32) {
    var bound = vec2(0u);
    var mask = vec2(0u);
    var left = wanted;
    for (var turn = 0u; turn < 17u; turn++) {
        let shift = 60u - 4u * min(turn, 15u);
        for (var i = lane; i < 16u; i += WG) { atomicStore(&counts[i], 0u); }
        workgroupBarrier();
        for (var i = lane; i < n; i += 4u * WG) {
            let a = element(i, base, first, merging);
            let b = element(min(i + WG, n - 1u), base, first, merging);
            let c = element(min(i + 2u * WG, n - 1u), base, first, merging);
            let d = element(min(i + 3u * WG, n - 1u), base, first, merging);
            // Where all four are needed here, compilers load all before they wait for one.
            if (a.x | b.x | c.x | d.x) == 0u { continue; }
            take(a, bound, mask, left, shift);
            if i + WG < n { take(b, bound, mask, left, shift); }
            if i + 2u * WG < n { take(c, bound, mask, left, shift); }
            if i + 3u * WG < n { take(d, bound, mask, left, shift); }
        }
        workgroupBarrier();
        if left == 0u { return; }
        if lane == 0u {
            var digit = 15u;
            var above = 0u;
            var own = atomicLoad(&counts[digit]);
            while above + own < left && digit > 0u {
                above += own;
                digit -= 1u;
                own = atomicLoad(&counts[digit]);
            }
            found = vec2(digit, select(left - above, 0u, above + own == left));
        }
        let least = workgroupUniformLoad(&found);
        let word = vec2(select(0u, 1u, shift >= 32u), select(1u, 0u, shift >= 32u));
        bound |= word * (least.x << (shift % 32u));
        mask |= word * (15u << (shift % 32u));
        left = least.y;
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let part = (params.cols + SPLITS - 1u) / SPLITS;
    let first = min(group.z * part, params.cols);
    let n = min(part, params.cols - first);
    let wanted = min(params.k, n);
    choose(n, wanted, group.y * params.stride + first, first, false, lane);
    let to = (group.y * SPLITS + group.z) * params.k;
    for (var i = lane; i < params.k; i += WG) {
        var e = vec2(0u);
        if i < wanted { e = chosen[i]; }
        parts[to + i] = e;
    }
}

@compute @workgroup_size(WG)
fn merge(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let wanted = min(params.k, params.cols);
    choose(SPLITS * params.k, wanted, group.y * SPLITS * params.k, 0u, true, lane);
    for (var i = lane; i < params.k; i += WG) {
        var place = i;
        var pair = vec2(NOT_FINITE);
        if i < wanted {
            let e = chosen[i];
            var finite = true;
            place = 0u;
            for (var j = 0u; j < wanted; j++) {
                let other = chosen[j];
                place += select(0u, 1u, other.x > e.x || (other.x == e.x && other.y > e.y));
                finite = finite && other.x != NOT_FINITE;
            }
            if finite { pair = vec2(select(~e.x, e.x ^ SIGN, e.x >= SIGN), ~e.y); }
        }
        y[group.y * params.k + place] = pair;
    }
}
