// y[0] = a token drawn from `candidates`, bits of a logit and its token each, and y[1 ..] = candidates. Of logits l,
// those of tokens seen divided by the penalty, or multiplied where they are negative, the k highest are kept, of these
// the fewest whose weights exp((l - max l) / temperature) reach top_p of all, of these the ones of at least min_p, and the
// token is that at which their running sum exceeds `random` of the whole. The token that y[0] has before counts as seen.
struct Params { count: u32, words: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> candidates: array<vec2<u32>>;
// k, temperature, top_p, penalty, random, min_p, two unused words; then a bit for each token: it was seen.
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

override WG: u32 = 64;
const HEAD: u32 = 8u;

var<workgroup> logits: array<f32, 256>;
var<workgroup> tokens: array<u32, 256>; // of the logits
var<workgroup> sorted: array<f32, 256>;
var<workgroup> sorted_tokens: array<u32, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
    let before = y[0];
    let penalty = bitcast<f32>(settings[3]);
    for (var i = lane; i < params.count; i += WG) {
        let pair = candidates[i];
        let seen = (settings[HEAD + min(pair.y / 32u, params.words - HEAD - 1u)] >> (pair.y % 32u)) & 1u;
        let l = bitcast<f32>(pair.x);
        logits[i] = select(l, select(l * penalty, l / penalty, l > 0.0), seen == 1u || pair.y == before);
        tokens[i] = pair.y;
        y[1u + 2u * i] = pair.x;
        y[2u + 2u * i] = pair.y;
    }
    workgroupBarrier();
    for (var i = lane; i < params.count; i += WG) {
        let l = logits[i];
        let token = tokens[i];
        var place = 0u;
        for (var j = 0u; j < params.count; j++) {
            place += select(0u, 1u, logits[j] > l || (logits[j] == l && tokens[j] < token));
        }
        sorted[place] = l;
        sorted_tokens[place] = token;
    }
    storageBarrier();
    workgroupBarrier();
    if lane == 0u {
        let k = min(settings[0], params.count);
        let temperature = bitcast<f32>(settings[1]);
        let top_p = bitcast<f32>(settings[2]);
        let min_p = bitcast<f32>(settings[5]);
        let highest = sorted[0];
        var total = 0.0;
        for (var j = 0u; j < k; j++) {
            sorted[j] = exp((sorted[j] - highest) / temperature);
            total += sorted[j];
        }
        var kept = 0.0;
        var count = 0u;
        while count < k && (count == 0u || (kept < top_p * total && sorted[count] >= min_p)) {
            kept += sorted[count];
            count++;
        }
        var left = bitcast<f32>(settings[4]) * kept;
        var at = 0u;
        while at + 1u < count && left >= sorted[at] {
            left -= sorted[at];
            at++;
        }
        y[0] = sorted_tokens[at];
    }
}
