//! Products of matrices in slices, on one thread: callers share work by rows, so that a result does
//! not depend on the number of threads.

/// A matrix in a slice: element (r, c) lies at r · `down` + c · `right`.
#[derive(Clone, Copy)]
pub(super) struct View<'a, T> {
    values: &'a [T],
    rows: usize,
    cols: usize,
    down: usize,
    right: usize,
}

impl<'a, T> View<'a, T> {
    /// Rows `stride` apart, starting with the slice.
    pub(super) fn new(values: &'a [T], rows: usize, cols: usize, stride: usize) -> View<'a, T> {
        assert!(rows == 0 || cols == 0 || (rows - 1) * stride + cols <= values.len(), "view within its slice");
        View { values, rows, cols, down: stride, right: 1 }
    }

    pub(super) fn transposed(self) -> View<'a, T> {
        View { rows: self.cols, cols: self.rows, down: self.right, right: self.down, ..self }
    }
}

/// out = keep · out + sign · lhs · rhs, for `out` [lhs.rows, rhs.cols] without gaps; what it held is
/// not read where `keep` is false.
pub(super) fn product<T: Copy + From<f32> + 'static>(
    out: &mut [T],
    keep: bool,
    sign: f32,
    lhs: View<'_, T>,
    rhs: View<'_, T>,
) {
    assert_eq!(lhs.cols, rhs.rows, "inner dimensions");
    assert_eq!(out.len(), lhs.rows * rhs.cols, "shape of the product");
    if out.is_empty() {
        return;
    }
    // SAFETY: views lie within their slices (`View::new`; transposing keeps the set of elements),
    // `out` has the asserted size and is not aliased, being borrowed mutably.
    unsafe {
        gemm::gemm(
            lhs.rows,
            rhs.cols,
            lhs.cols,
            out.as_mut_ptr(),
            1,
            rhs.cols as isize,
            keep,
            lhs.values.as_ptr(),
            lhs.right as isize,
            lhs.down as isize,
            rhs.values.as_ptr(),
            rhs.right as isize,
            rhs.down as isize,
            T::from(1.0),
            T::from(sign),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
