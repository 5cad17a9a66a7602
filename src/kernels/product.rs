//! Products of matrices in slices, on one thread: callers share work by rows, so that a result does
//! not depend on the number of threads.

/// A matrix in a slice: element (r, c) lies at r · `down` + c · `right`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, T> {
    values: &'a [T],
    rows: usize,
    cols: usize,
    down: usize,
    right: usize,
}

impl<'a, T> View<'a, T> {
    /// Rows `stride` apart, starting with the slice.
    pub(crate) fn new(values: &'a [T], rows: usize, cols: usize, stride: usize) -> View<'a, T> {
        assert!(rows == 0 || cols == 0 || (rows - 1) * stride + cols <= values.len(), "view within its slice");
        View { values, rows, cols, down: stride, right: 1 }
    }

    pub(crate) fn transposed(self) -> View<'a, T> {
        View { rows: self.cols, cols: self.rows, down: self.right, right: self.down, ..self }
    }
}

/// out = keep · out + scale · lhs · rhs, for `out` [lhs.rows, rhs.cols] with rows `stride` apart; what it held is
/// not read where `keep` is false.
pub(crate) fn product<T: Copy + From<f32> + 'static>(
    out: &mut [T],
    stride: usize,
    keep: bool,
    scale: f32,
    lhs: View<'_, T>,
    rhs: View<'_, T>,
) {
    assert_eq!(lhs.cols, rhs.rows, "inner dimensions");
    if lhs.rows == 0 || rhs.cols == 0 {
        return;
    }
    assert!(rhs.cols <= stride && (lhs.rows - 1) * stride + rhs.cols <= out.len(), "shape of the product");
    // SAFETY: views lie within their slices (`View::new`; transposing keeps the set of elements),
    // `out` has the asserted size, its rows do not overlap, and it is not aliased, being borrowed mutably.
    unsafe {
        gemm::gemm(
            lhs.rows,
            rhs.cols,
            lhs.cols,
            out.as_mut_ptr(),
            1,
            stride as isize,
            keep,
            lhs.values.as_ptr(),
            lhs.right as isize,
            lhs.down as isize,
            rhs.values.as_ptr(),
            rhs.right as isize,
            rhs.down as isize,
            T::from(1.0),
            T::from(scale),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
