// lib/attention_split.wgsl for one row as the product of q, k and v leaves it. First, as shaders/rope_kv.wgsl does,
//   q = rotated(norm(q)), k_cache[slot] = rotated(norm(k)), v_cache[slot] = v,
// by the workgroups whose part ends with the row's own key; HEADS is all heads of a key/value head. The result takes the
// place of q, its columns as the weight after it has them. Append to a lib/cache_own_ file. head_dim is a multiple of 8.
struct Params {
    heads: u32, kv_heads: u32, head_dim: u32,
    scale: f32,
    rows: u32, // one
    window: u32,
    eps: f32,     // of the norms; below zero where there are none
    ordered: u32, // 1: the result's columns are in an order
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read> reach: array<vec4<u32>>;
// [positions, head_dim]: cosines, then sines.
@group(0) @binding(3) var<storage, read> table: array<vec4<f32>>;
// The weights of the norms of q and of k, as f32, then each column's place in the order.
@group(0) @binding(4) var<storage, read> extra: array<u32>;
@group(0) @binding(7) var<storage, read_write> qkv: array<f32>;
// [split, 1, head], each of head_dim / 4 quads and one with the maximum and the total.
@group(0) @binding(8) var<storage, read_write> parts: array<vec4<f32>>;

fn qkv_quad(i: u32) -> vec4<f32> { return vec4(qkv[4u * i], qkv[4u * i + 1u], qkv[4u * i + 2u], qkv[4u * i + 3u]); }

fn norm_quad(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4(extra[4u * i], extra[4u * i + 1u], extra[4u * i + 2u], extra[4u * i + 3u]));
}

var<workgroup> squares: array<f32, 576>; // [9 heads, WG]

// Pair i of staged head h, or any other where the head ends before it.
fn shared_pair(h: u32, i: u32) -> vec2<f32> {
    let quad = shared_quads[h * 8u * QUADS + min(i / 2u, 8u * QUADS - 1u)];
    return select(quad.xy, quad.zw, i % 2u == 1u);
}

// Where head number h of a workgroup begins in qkv, in quads: HEADS of q, and number 8, which is k.
fn head_at(head0: u32, h: u32) -> u32 {
    return select(head0 + h, params.heads + head0 / HEADS, h == 8u) * (params.head_dim / 4u);
}

// Quad i of eight heads of 8 QUADS and of k behind them; nothing beyond HEADS and a head's own.
fn staged_quad(head0: u32, i: u32) -> vec4<f32> {
    let quads = params.head_dim / 4u;
    let head = i / (8u * QUADS);
    let quad = i % (8u * QUADS);
    let there = (head < HEADS || head == 8u) && quad < quads;
    let value = qkv_quad(head_at(head0, select(0u, head, there)) + min(quad, quads - 1u));
    return select(vec4<f32>(), value, there);
}

// Puts the scaled queries of the heads from head0 on into shared_quads, and the row's own key and value into the cache.
fn stage(row: u32, head0: u32, keys: Span, last: u32, lane: u32) {
    let quads = params.head_dim / 4u;
    let kv_head = head0 / HEADS;
    let own_slot = slot_of(keys.end - 1u, reach[row]);
    let cached = (own_slot * params.kv_heads + kv_head) * quads;
    let value = qkv_quad((params.heads + params.kv_heads + kv_head) * quads + min(lane, quads - 1u));
    for (var i = lane; i < 72u * QUADS; i += 2u * WG) {
        let loaded = array(staged_quad(head0, min(i, 72u * QUADS - 1u)), staged_quad(head0, min(i + WG, 72u * QUADS - 1u)));
        shared_quads[i] = loaded[0];
        if i + WG < 72u * QUADS { shared_quads[i + WG] = loaded[1]; }
    }
    let owns = last == keys.end;
    if owns && lane < quads { put_value(cached + lane, value); }
    workgroupBarrier();

    if params.eps >= 0.0 {
        // In the order in which shaders/rope_kv.wgsl adds, to the last bit: a lane's pairs, then a tree over 64 lanes.
        for (var h = 0u; h < 9u; h++) {
            let first = shared_pair(h, lane);
            let second = shared_pair(h, lane + quads);
            let four = vec4(first, second);
            squares[h * WG + lane] = select(0.0, dot(four, four), lane < quads);
        }
        workgroupBarrier();
        for (var half = WG / 2u; half > 0u; half /= 2u) {
            for (var t = lane; t < 9u * half; t += WG) {
                let at = t / half * WG + t % half;
                squares[at] += squares[at + half];
            }
            workgroupBarrier();
        }
        for (var i = lane; i < 9u * quads; i += WG) {
            let h = i / quads;
            let at = h * 8u * QUADS + i % quads;
            let norm = 1.0 / sqrt(squares[h * WG] / f32(params.head_dim) + params.eps);
            shared_quads[at] = norm_quad(select(0u, quads, h == 8u) + i % quads) * (shared_quads[at] * norm);
        }
        workgroupBarrier();
    }

    let half = quads / 2u;
    let angle = position[row] * quads;
    for (var t = lane; t < 9u * half; t += WG) {
        let h = t / half;
        let i = t % half;
        let at = h * 8u * QUADS + i;
        let a = shared_quads[at];
        let b = shared_quads[at + half];
        let cosine = table[angle + i];
        let sine = table[angle + half + i];
        let first = a * cosine - b * sine;
        let second = b * cosine + a * sine;
        if h < 8u {
            shared_quads[at] = params.scale * first;
            shared_quads[at + half] = params.scale * second;
        } else if owns {
            put_key(cached + i, first);
            put_key(cached + half + i, second);
        }
    }
    // The workgroup reads what it put.
    storageBarrier();
}

fn put(row: u32, head: u32, quad: u32, value: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) {
        let own = head * params.head_dim + 4u * quad + i;
        var column = own;
        if params.ordered == 1u { column = extra[2u * params.head_dim + own]; }
        qkv[column] = value[i];
    }
}
