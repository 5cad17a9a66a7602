//! Keys and values as the cache holds them: f32, or f16 two to a word.

use std::borrow::Cow;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::plan::{Element, Tensor, Trial};

/// Checks the tensors of a cache \[capacity, cols\]. Returns the bits of its values: the constant `CACHE` of shaders.
pub(super) fn bits_of(k: Tensor, v: Tensor, cols: usize) -> u32 {
    assert!(matches!(k.element, Element::F32 | Element::F16), "k: {k:?}");
    k.expect("k", k.rows, cols, k.element);
    v.expect("v", k.rows, cols, k.element);
    k.element.bits() as u32
}

/// Returns the first `count` values in the words of a cache.
pub(super) fn widened(words: &[u32], bits: u32, count: usize) -> Cow<'_, [f32]> {
    if bits == 32 {
        return Cow::Borrowed(&bytemuck::cast_slice(words)[..count]);
    }
    Cow::Owned(bytemuck::cast_slice::<u32, f16>(words)[..count].to_f32_vec())
}

/// Puts values into the words of a cache from number `first` on. What f16 cannot hold becomes its largest value, and what
/// is not finite no number, which shows in the logits.
pub(super) fn put(words: &mut [u32], bits: u32, first: usize, values: &[f32]) {
    if bits == 32 {
        return bytemuck::cast_slice_mut::<u32, f32>(words)[first..][..values.len()].copy_from_slice(values);
    }
    let most = f16::MAX.to_f32();
    let rounded = |x: f32| if x.is_finite() { f16::from_f32(x.clamp(-most, most)) } else { f16::NAN };
    let to = &mut bytemuck::cast_slice_mut::<u32, f16>(words)[first..][..values.len()];
    to.iter_mut().zip(values).for_each(|(to, x)| *to = rounded(*x));
}

/// Adds a cache of random values to a trial.
pub(super) fn tensor(t: &mut Trial, rows: usize, cols: usize, element: Element) -> Tensor {
    if element == Element::F16 { t.f16(rows, cols) } else { t.f32(rows, cols) }
}

/// Lists cases, each for a cache in f32 and, with `_f16` behind its name, for one in f16: `test "name" |trial, element| …`.
macro_rules! cases_of_caches {
    ($($kind:ident $name:literal $build:expr),* $(,)?) => {
        &[$(
            Case::$kind($name, |t| ($build as fn(&mut Trial, Element) -> Tensor)(t, Element::F32)),
            Case::$kind(concat!($name, "_f16"), |t| ($build as fn(&mut Trial, Element) -> Tensor)(t, Element::F16))
        ),*]
    };
}

pub(super) use cases_of_caches;
