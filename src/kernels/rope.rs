//! Rotary position embedding, half rotation, in place (Su et al., 2021, as in GPT-NeoX).

use bytemuck::{Pod, Zeroable};

use crate::plan::{Case, Element, Io, Kernel, Needs, Plan, Tensor, Trial, Variant};
use crate::wgsl;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    heads: u32,
    head_dim: u32,
}

/// The angles' cosines and sines, [positions, head_dim]: half a row of each. They are made on the
/// CPU, where sin and cos are good for large angles; angles are the f32 products of position and
/// inverse frequency, as the references have them.
pub fn rope_table(positions: usize, head_dim: usize, theta: f64) -> Vec<f32> {
    let half = head_dim / 2;
    let frequencies: Vec<f32> =
        (0..half).map(|i| 1.0 / (theta as f32).powf((2 * i) as f32 / head_dim as f32)).collect();
    let mut table = Vec::with_capacity(positions * head_dim);
    for position in 0..positions {
        let angles = frequencies.iter().map(|f| f64::from(position as f32 * f));
        table.extend(angles.clone().map(|a| a.cos() as f32));
        table.extend(angles.map(|a| a.sin() as f32));
    }
    table
}

impl Plan {
    /// Rotates `x` [m, heads · head_dim] in place by `table` [positions, head_dim].
    pub fn rope(&mut self, name: &str, position: Tensor, table: Tensor, x: Tensor) {
        let heads = x.cols / table.cols;
        assert_eq!(heads * table.cols, x.cols, "{name}: heads of {} in {x:?}", table.cols);
        position.expect("position", 1, x.rows, Element::U32);
        let params = Params { heads: heads as u32, head_dim: table.cols as u32 };
        let step =
            self.add(&KERNEL, name, params, &[position, table, x], [x.rows, x.cols / 2], 3 * (x.rows * x.cols) as u64);
        step.bytes = 2 * x.bytes() + (x.rows * table.cols * 4) as u64;
    }
}

pub static KERNEL: Kernel = Kernel {
    name: "rope",
    variants: &[Variant {
        name: "portable",
        needs: Needs::empty(),
        wgsl: wgsl!("rope"),
        consts: &[("WG", 64)],
        tile: |c| [1, c.get("WG")],
        nmse: 1e-12,
    }],
    reference,
    host: None,
    cases: &[
        Case { name: "1x14x64", bench: true, build: |t| rope(t, 1, 14, 64) },
        Case { name: "128x28x128", bench: true, build: |t| rope(t, 128, 28, 128) },
        Case { name: "5x3x10", bench: false, build: |t| rope(t, 5, 3, 10) },
    ],
};

fn rope(t: &mut Trial, m: usize, heads: usize, head_dim: usize) -> Tensor {
    let position = t.u32(1, m, (0..).map(|i| i * 3 + 1));
    let (table, x) = (t.f32(3 * m + 1, head_dim), t.f32(m, heads * head_dim));
    t.plan.rope("", position, table, x);
    x
}

fn reference(io: &mut Io) {
    let Params { heads, head_dim } = io.params();
    let (position, table) = (io.u32(0), io.f32(1));
    let (heads, dim) = (heads as usize, head_dim as usize);
    for (row, x) in io.out_f32().chunks_exact_mut(heads * dim).enumerate() {
        let angles = &table[position[row] as usize * dim..][..dim];
        let (cosines, sines) = angles.split_at(dim / 2);
        for head in x.chunks_exact_mut(dim) {
            let (first, second) = head.split_at_mut(dim / 2);
            for i in 0..dim / 2 {
                let (a, b) = (first[i], second[i]);
                first[i] = a * cosines[i] - b * sines[i];
                second[i] = b * cosines[i] + a * sines[i];
            }
        }
    }
}
