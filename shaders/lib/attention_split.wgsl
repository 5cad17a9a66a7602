// Attention of one row over the cache, its keys split over SPLITS workgroups. With the part's keys j, for each of the
// HEADS query heads h that a workgroup has of one key/value head:
//   part[h] = (sum_j exp(s_j - m) * v_j,  m = max_j s_j,  sum_j exp(s_j - m)),   s_j = scale * q_h . k_j,
// and `merge` adds a head's parts under their largest m:
//   y[h] = sum_p exp(m_p - m) * part_p[h] / sum_p exp(m_p - m) * total_p.
// Keys: position - window < j <= position, in slots by lib/reach.wgsl; parts are equal but for the last one. Append to
// lib/attention_rows.wgsl or lib/attention_rope.wgsl, which say where queries come from (`stage`) and results go (`put`).
//
// A workgroup has 64 lanes. For the scores eight of them share a key, a line of 128 bytes a load; for the values
// 8 * QUADS share one. So a lane has eight loads of keys and eight of values in flight, whatever the dimension, and
// every key and value is read once for all heads. The variant has `own_scores`.
override QUADS: u32 = 4; // a lane's share of a key: head_dim / 32, rounded up to 2, 4 or 8
override HEADS: u32 = 8; // at most eight
override SPLITS: u32 = 64; // at most 256
override KEYS: u32 = 2; // 8 / QUADS: a lane's keys of a turn
const WG: u32 = 64u;
const LEAST: u32 = 8u; // keys of a part

// The queries, [8 heads, 8 * QUADS], then room for the sums of lanes, 128 * KEYS.
var<workgroup> shared_quads: array<vec4<f32>, 640>;
var<workgroup> weights: array<f32, 256>; // [8 * KEYS keys, 8 heads]
var<workgroup> maxima: array<f32, WG>; // [8 groups of lanes, 8 heads]
var<workgroup> fades: array<f32, 8>;
var<workgroup> factors: array<f32, 256>; // of the parts

// The keys that a row sees: the first, the one after the last, and how many a part has.
struct Span { oldest: u32, end: u32, part: u32 }

fn span_of(row: u32) -> Span {
    let end = position[row] + 1u;
    let oldest = end - min(end, params.window);
    return Span(oldest, end, max(LEAST, (end - oldest + SPLITS - 1u) / SPLITS));
}

// Where a part of a head begins in `parts`.
fn part_at(part: u32, row: u32, head: u32) -> u32 {
    return ((part * params.rows + row) * params.heads + head) * (params.head_dim / 4u + 1u);
}

// Products of a head with a lane's share of its keys. Share t is quad t / KEYS of key t % KEYS.
fn products(head: u32, c: u32, ks: array<vec4<f32>, 8>) -> vec4<f32> {
    let at = head * 8u * QUADS + c;
    let q0 = shared_quads[at];
    let q1 = shared_quads[at + 8u];
    if QUADS == 2u {
        return vec4(dot(q0, ks[0]) + dot(q1, ks[4]), dot(q0, ks[1]) + dot(q1, ks[5]),
                    dot(q0, ks[2]) + dot(q1, ks[6]), dot(q0, ks[3]) + dot(q1, ks[7]));
    }
    let q2 = shared_quads[at + 16u];
    let q3 = shared_quads[at + 24u];
    if QUADS == 4u {
        return vec4(dot(q0, ks[0]) + dot(q1, ks[2]) + dot(q2, ks[4]) + dot(q3, ks[6]),
                    dot(q0, ks[1]) + dot(q1, ks[3]) + dot(q2, ks[5]) + dot(q3, ks[7]), 0.0, 0.0);
    }
    let low = dot(q0, ks[0]) + dot(q1, ks[1]) + dot(q2, ks[2]) + dot(q3, ks[3]);
    let high = dot(shared_quads[at + 32u], ks[4]) + dot(shared_quads[at + 40u], ks[5])
        + dot(shared_quads[at + 48u], ks[6]) + dot(shared_quads[at + 56u], ks[7]);
    return vec4(low + high, 0.0, 0.0, 0.0);
}

// The eight heads' products with key i of a lane.
fn of_key(s: array<vec4<f32>, 8>, i: u32) -> array<vec4<f32>, 2> {
    return array(vec4(s[0][i], s[1][i], s[2][i], s[3][i]), vec4(s[4][i], s[5][i], s[6][i], s[7][i]));
}

struct Cache { own: vec4<u32>, at: u32, width: u32, quads: u32, last: u32 }

fn key(c: Cache, j: u32, quad: u32) -> Cached {
    if j < c.last && quad < c.quads { return k[slot_of(j, c.own) * c.width + c.at + quad]; }
    return Cached();
}

fn value(c: Cache, j: u32, quad: u32) -> Cached {
    if j < c.last && quad < c.quads { return v[slot_of(j, c.own) * c.width + c.at + quad]; }
    return Cached();
}

// Apart from the loads, so that all eight are under way before the first is waited for.
fn all_widened(c: array<Cached, 8>) -> array<vec4<f32>, 8> {
    return array(widened(c[0]), widened(c[1]), widened(c[2]), widened(c[3]),
                 widened(c[4]), widened(c[5]), widened(c[6]), widened(c[7]));
}

fn split(group: vec3<u32>, lane: u32) {
    let row = group.y;
    let head0 = group.x * HEADS;
    let quads = params.head_dim / 4u;
    let keys = span_of(row);
    let start = keys.oldest + group.z * keys.part;
    if start >= keys.end { return; }
    let last = min(start + keys.part, keys.end);
    let kv_head = head0 / (params.heads / params.kv_heads);
    let cache = Cache(reach[row], kv_head * quads, params.kv_heads * quads, quads, last);

    stage(row, head0, keys, last, lane);
    workgroupBarrier();

    // For the scores the lane's group of eight and its place there, which is also the head it ends up with.
    let g = lane / 8u;
    let c = lane % 8u;
    // For the values.
    let vg = lane / (8u * QUADS);
    let vq = lane % (8u * QUADS);
    var sum: array<vec4<f32>, 8>;
    var highest = -3.0e38;
    var total = 0.0;
    for (var first = start; first < last; first += 8u * KEYS) {
        let j = first + g;
        var cached_keys: array<Cached, 8>;
        cached_keys[0] = key(cache, j, c);
        cached_keys[1] = key(cache, j + 8u * (1u % KEYS), c + 8u * (1u / KEYS));
        cached_keys[2] = key(cache, j + 8u * (2u % KEYS), c + 8u * (2u / KEYS));
        cached_keys[3] = key(cache, j + 8u * (3u % KEYS), c + 8u * (3u / KEYS));
        cached_keys[4] = key(cache, j + 8u * (4u % KEYS), c + 8u * (4u / KEYS));
        cached_keys[5] = key(cache, j + 8u * (5u % KEYS), c + 8u * (5u / KEYS));
        cached_keys[6] = key(cache, j + 8u * (6u % KEYS), c + 8u * (6u / KEYS));
        cached_keys[7] = key(cache, j + 8u * (7u % KEYS), c + 8u * (7u / KEYS));
        let ks = all_widened(cached_keys);

        let own = own_scores(array(
            products(0u, c, ks), products(1u, c, ks), products(2u, c, ks), products(3u, c, ks),
            products(4u, c, ks), products(5u, c, ks), products(6u, c, ks), products(7u, c, ks)), lane);
        var cached_values: array<Cached, 8>;
        cached_values[0] = value(cache, first + vg, vq);
        cached_values[1] = value(cache, first + vg + KEYS, vq);
        cached_values[2] = value(cache, first + vg + 2u * KEYS, vq);
        cached_values[3] = value(cache, first + vg + 3u * KEYS, vq);
        cached_values[4] = value(cache, first + vg + 4u * KEYS, vq);
        cached_values[5] = value(cache, first + vg + 5u * KEYS, vq);
        cached_values[6] = value(cache, first + vg + 6u * KEYS, vq);
        cached_values[7] = value(cache, first + vg + 7u * KEYS, vq);
        let number = vec4(0u, 1u, 2u, 3u);
        let seen = (vec4(j) + 8u * number < vec4(last)) & (number < vec4(KEYS));
        let scores = select(vec4(-3.0e38), own, seen);
        maxima[lane] = max(max(scores.x, scores.y), max(scores.z, scores.w));
        workgroupBarrier();
        var above = highest;
        for (var i = 0u; i < 8u; i++) { above = max(above, maxima[i * 8u + c]); }
        let fade = exp(highest - above);
        highest = above;
        let mine = select(vec4<f32>(), exp(scores - above), seen);
        total = total * fade + (mine.x + mine.y) + (mine.z + mine.w);
        for (var i = 0u; i < KEYS; i++) { weights[(g + 8u * i) * 8u + c] = mine[i]; }
        if g == 0u { fades[c] = fade; }
        workgroupBarrier();

        var vs = all_widened(cached_values);
        for (var h = 0u; h < 8u; h++) { sum[h] *= fades[h]; }
        for (var t = 0u; t < 8u; t++) {
            let at = (vg + KEYS * t) * 8u;
            for (var h = 0u; h < 8u; h++) { sum[h] += weights[at + h] * vs[t]; }
        }
    }

    // Of groups after the first one the sums go through memory.
    maxima[lane] = total;
    if vg > 0u {
        for (var h = 0u; h < 8u; h++) { shared_quads[(vg * 8u + h) * 8u * QUADS + vq] = sum[h]; }
    }
    workgroupBarrier();
    if vg == 0u && vq < quads {
        for (var h = 0u; h < HEADS; h++) {
            var whole = sum[h];
            for (var i = 1u; i < KEYS; i++) { whole += shared_quads[(i * 8u + h) * 8u * QUADS + vq]; }
            parts[part_at(group.z, row, head0 + h) + vq] = whole;
        }
    }
    if lane < HEADS {
        var whole = 0.0;
        for (var i = 0u; i < 8u; i++) { whole += maxima[i * 8u + lane]; }
        parts[part_at(group.z, row, head0 + lane) + quads] = vec4(highest, whole, 0.0, 0.0);
    }
}

fn part_quad(part: u32, count: u32, group: vec3<u32>, quad: u32) -> vec4<f32> {
    if part < count && quad <= params.head_dim / 4u { return parts[part_at(part, group.y, group.x) + quad]; }
    return vec4<f32>();
}

@compute @workgroup_size(WG)
fn merge(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quads = params.head_dim / 4u;
    let keys = span_of(group.y);
    let count = (keys.end - keys.oldest + keys.part - 1u) / keys.part;
    // Maxima and totals, of up to four parts a lane: there are at most 256.
    let s0 = part_quad(lane, count, group, quads);
    let s1 = part_quad(lane + WG, count, group, quads);
    let s2 = part_quad(lane + 2u * WG, count, group, quads);
    let s3 = part_quad(lane + 3u * WG, count, group, quads);
    let there = vec4(lane) + vec4(0u, 1u, 2u, 3u) * WG < vec4(count);
    let own = select(vec4(-3.0e38), vec4(s0.x, s1.x, s2.x, s3.x), there);
    let highest = workgroup_max(max(max(own.x, own.y), max(own.z, own.w)), lane);
    let factor = select(vec4<f32>(), exp(own - highest), there);
    // Parts that are not there weigh nothing.
    for (var i = 0u; i < 4u; i++) { factors[lane + i * WG] = factor[i]; }
    // Its barriers also publish the factors.
    let total = workgroup_sum(dot(factor, vec4(s0.y, s1.y, s2.y, s3.y)), lane);

    let vg = lane / (8u * QUADS);
    let vq = lane % (8u * QUADS);
    var sum = vec4<f32>();
    for (var p = vg; p < count; p += 8u * KEYS) {
        let a = part_quad(p, count, group, vq);
        let b = part_quad(p + KEYS, count, group, vq);
        let c = part_quad(p + 2u * KEYS, count, group, vq);
        let d = part_quad(p + 3u * KEYS, count, group, vq);
        let e = part_quad(p + 4u * KEYS, count, group, vq);
        let f = part_quad(p + 5u * KEYS, count, group, vq);
        let g = part_quad(p + 6u * KEYS, count, group, vq);
        let h = part_quad(p + 7u * KEYS, count, group, vq);
        sum += factors[p] * a + factors[p + KEYS] * b + factors[p + 2u * KEYS] * c + factors[p + 3u * KEYS] * d;
        sum += factors[p + 4u * KEYS] * e + factors[p + 5u * KEYS] * f;
        sum += factors[p + 6u * KEYS] * g + factors[p + 7u * KEYS] * h;
    }
    shared_quads[64u * QUADS + lane] = sum;
    workgroupBarrier();
    if lane < quads {
        for (var i = 1u; i < KEYS; i++) { sum += shared_quads[64u * QUADS + i * 8u * QUADS + lane]; }
        put(group.y, group.x, lane, sum / total);
    }
}
