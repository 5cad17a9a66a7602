//! Planted faults that only another order of workgroups, subgroups or lanes shows.

use crate::faults::Planted;

/// Each invocation of a tile stores the sums of another one, by the order in which they come.
const TICKET_IN_A_TILE: &[(&str, &str)] = &[
    ("const TILE = 64u;", "var<workgroup> tickets: atomic<u32>;\nconst TILE = 64u;"),
    (
        "    for (var j = 0u; j < PER * PER; j++) {\n        let m = m0 + PER * ty",
        "    if lane == 0u { atomicStore(&tickets, 0u); }
    workgroupBarrier();
    let ticket = atomicAdd(&tickets, 1u);
    for (var j = 0u; j < PER * PER; j++) {\n        let m = m0 + PER * (ticket / SIDE)",
    ),
];

pub static ORDERS: &[Planted] = &[
    Planted {
        name: "a_ticket_taken_for_the_invocation",
        on: ["silu_mul", "portable", ""],
        file: "silu_mul",
        edits: &[
            ("override WG: u32 = 64;", "override WG: u32 = 64;\nvar<workgroup> next: atomic<u32>;"),
            (
                "    let c = group.x * WG + lane;",
                "    if lane == 0u { atomicStore(&next, 0u); }
    workgroupBarrier();
    let ticket = atomicAdd(&next, 1u);
    let c = group.x * WG + lane;",
            ),
            ("y[at] =", "y[at - lane + ticket] ="),
        ],
        kind: "order-dependent",
        at: ("silu_mul", "y[at - lane + ticket] ="),
        subgroup: 32,
    },
    Planted {
        name: "a_sum_in_the_order_of_subgroups",
        on: ["rms_norm", "portable", "96x128"],
        file: "rms_norm",
        edits: &[
            ("override WG: u32 = 128;", "override WG: u32 = 128;\nvar<workgroup> total: atomic<u32>;"),
            (
                "    let mean = workgroup_sum(squares, lane) / f32(params.cols);",
                "    if lane == 0u { atomicStore(&total, 0u); }
    workgroupBarrier();
    loop {
        let old = atomicLoad(&total);
        let more = bitcast<u32>(bitcast<f32>(old) + squares);
        if atomicCompareExchangeWeak(&total, old, more).exchanged { break; }
    }
    workgroupBarrier();
    let mean = bitcast<f32>(atomicLoad(&total)) / f32(params.cols);",
            ),
        ],
        kind: "order-dependent",
        at: ("rms_norm", "atomicCompareExchangeWeak"),
        subgroup: 32,
    },
    Planted {
        name: "a_ticket_in_a_tile_of_spqr",
        on: ["matmul_spqr", "portable", "q3_33x80x96"],
        file: "lib/matmul",
        edits: TICKET_IN_A_TILE,
        kind: "order-dependent",
        at: ("lib/product", "y[at] = value;"),
        subgroup: 32,
    },
    Planted {
        name: "a_ticket_in_a_tile_of_gguf",
        on: ["matmul_gguf", "portable", ""],
        file: "lib/matmul",
        edits: TICKET_IN_A_TILE,
        kind: "order-dependent",
        at: ("lib/product", "y[at] = value;"),
        subgroup: 32,
    },
    Planted {
        name: "a_ticket_for_the_columns_of_an_embedding",
        on: ["embed_gguf", "portable", ""],
        file: "embed_gguf",
        edits: &[
            ("override WG: u32 = 64;", "override WG: u32 = 64;\nvar<workgroup> number: atomic<u32>;"),
            (
                "    let i = group.x * WG + lane;",
                "    if lane == 0u { atomicStore(&number, 0u); }
    workgroupBarrier();
    let ticket = atomicAdd(&number, 1u);
    let i = group.x * WG + lane;",
            ),
            ("put(group.y, 8u * i + j,", "put(group.y, 8u * (i - lane + ticket) + j,"),
        ],
        kind: "order-dependent",
        at: ("lib/embedded", "y[r * params.k + c] = value;"),
        subgroup: 32,
    },
    Planted {
        name: "a_product_in_the_order_of_subgroups",
        on: ["matvec_gguf", "portable", ""],
        file: "lib/matvec",
        edits: &[
            ("const ROWS = 4u;", "var<workgroup> total: atomic<u32>;\nconst ROWS = 4u;"),
            (
                "    partial[lane] = acc;",
                "    if lane == 0u { atomicStore(&total, 0u); }
    workgroupBarrier();
    loop {
        let old = atomicLoad(&total);
        let more = bitcast<u32>(bitcast<f32>(old) + acc.x);
        if atomicCompareExchangeWeak(&total, old, more).exchanged { break; }
    }
    acc.x = 0.0;
    workgroupBarrier();
    if lane == 0u { acc.x = bitcast<f32>(atomicLoad(&total)); }
    partial[lane] = acc;",
            ),
        ],
        kind: "order-dependent",
        at: ("lib/matvec", "atomicCompareExchangeWeak"),
        subgroup: 8,
    },
];
