//! Parts of plans: scratch tensors that share memory, comparison of results.

use qwgpu::plan::compare::compare;
use qwgpu::plan::schedule::assign;
use qwgpu::plan::{Element, Kernel, Place, Plan, Step};

static NOTHING: Kernel =
    Kernel { name: "nothing", params: &[], variants: &[], reference: |_| (), host: None, cases: &[] };

#[test]
fn tensors_that_live_together_never_share() {
    // A chain in which every step also reads the first tensor, and the last one the third.
    let mut plan = Plan::new();
    let mut chain = vec![plan.scratch(1, 64, Element::F32)];
    for cols in [8, 32, 16, 64, 4] {
        chain.push(plan.scratch(1, cols, Element::F32));
        let [.., input, output] = chain[..] else { unreachable!("two tensors") };
        plan.add(&NOTHING, "s", [0u32; 0], &[input, chain[0], output], [1, 1], 0);
    }
    let output = plan.scratch(1, 64, Element::F32);
    plan.add(&NOTHING, "s", [0u32; 0], &[chain[5], chain[2], output], [1, 1], 0);
    let lives: Vec<(usize, usize)> = (0..plan.scratch.len() as u32)
        .map(|number| {
            let uses = |step: &Step| step.bind.iter().any(|t| t.place == Place::Scratch(number));
            let steps = || plan.steps.iter();
            (steps().position(uses).unwrap(), steps().rposition(uses).unwrap())
        })
        .collect();
    let slots = assign(&plan, false);
    for (a, life) in lives.iter().enumerate() {
        for (b, other) in lives.iter().enumerate().skip(a + 1) {
            let meet = life.0 <= other.1 && other.0 <= life.1;
            assert!(!meet || slots.of[a] != slots.of[b], "tensors {a} and {b} share memory");
        }
    }
    assert!(slots.bytes.len() < plan.scratch.len(), "nothing is shared: {:?}", slots.of);
    assert_eq!(assign(&plan, true).bytes.len(), plan.scratch.len());
}

#[test]
fn a_view_keeps_its_tensor_alive() {
    // x is last used as a view, after which alone its memory is free.
    let mut plan = Plan::new();
    let [x, a, b, c] = [(); 4].map(|()| plan.scratch(2, 64, Element::F32));
    let view = x.reshaped(8, 16);
    for bind in [vec![x], vec![x, a], vec![view, a, b], vec![b, c]] {
        plan.add(&NOTHING, "s", [0u32; 0], &bind, [1, 1], 0);
    }
    let slots = assign(&plan, false);
    let [x, a, b, c] = [0, 1, 2, 3].map(|tensor| slots.of[tensor]);
    assert!(x != a && x != b && a != b, "{slots:?}");
    assert!(c == x || c == a, "no memory is taken again: {slots:?}");
}

#[test]
fn nan_and_zero_references_never_pass() {
    assert_eq!(compare(&[1.0], &[f32::NAN]).nmse, f64::INFINITY);
    assert_eq!(compare(&[f32::INFINITY], &[f32::INFINITY]).nmse, f64::INFINITY);
    assert_eq!(compare(&[0.0, 0.0], &[0.0, 1e-9]).nmse, f64::INFINITY);
    let d = compare(&[3.0, 4.0], &[3.0, 4.5]);
    assert_eq!((d.nmse, d.max_abs, d.at), (0.01, 0.5, 1));
}
