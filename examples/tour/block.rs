//! Square blocks of a matrix, stored by rows: the leaves of all blocked algorithms here.

/// Rows and columns of a block.
pub const SIDE: usize = 32;

/// Elements of a block.
pub const LEN: usize = SIDE * SIDE;

/// `c -= a * b`
pub fn subtract_product(c: &mut [f64], a: &[f64], b: &[f64]) {
    for (c_row, a_row) in c.chunks_exact_mut(SIDE).zip(a.chunks_exact(SIDE)) {
        for (factor, b_row) in a_row.iter().zip(b.chunks_exact(SIDE)) {
            subtract_multiple(c_row, *factor, b_row);
        }
    }
}

/// Replaces `a` by its LU factors. The ones on the diagonal of the lower factor are not stored.
pub fn lu(a: &mut [f64]) {
    for k in 0..SIDE {
        let (upper, lower) = a.split_at_mut((k + 1) * SIDE);
        let pivot_row = &upper[k * SIDE..];
        for row in lower.chunks_exact_mut(SIDE) {
            row[k] /= pivot_row[k];
            let factor = row[k];
            subtract_multiple(&mut row[k + 1..], factor, &pivot_row[k + 1..]);
        }
    }
}

/// Replaces `x` by the solution `y` of `l * y = x`, where `l` is lower with ones on its diagonal.
pub fn solve_lower(l: &[f64], x: &mut [f64]) {
    for (i, l_row) in l.chunks_exact(SIDE).enumerate() {
        let (solved, rest) = x.split_at_mut(i * SIDE);
        for (factor, solved_row) in l_row.iter().zip(solved.chunks_exact(SIDE)) {
            subtract_multiple(&mut rest[..SIDE], *factor, solved_row);
        }
    }
}

/// Replaces `x` by the solution `y` of `y * u = x`, where `u` is upper.
pub fn solve_upper(u: &[f64], x: &mut [f64]) {
    for row in x.chunks_exact_mut(SIDE) {
        for (k, u_row) in u.chunks_exact(SIDE).enumerate() {
            row[k] /= u_row[k];
            let factor = row[k];
            subtract_multiple(&mut row[k + 1..], factor, &u_row[k + 1..]);
        }
    }
}

/// Replaces `a` by its lower Cholesky factor. Reads only the lower half of `a`.
pub fn cholesky(a: &mut [f64]) {
    for i in 0..SIDE {
        let (above, row) = a.split_at_mut(i * SIDE);
        for (j, above_row) in above.chunks_exact(SIDE).enumerate() {
            row[j] = (row[j] - dot(&row[..j], &above_row[..j])) / above_row[j];
        }
        row[i] = (row[i] - dot(&row[..i], &row[..i])).sqrt();
    }
}

/// Replaces `x` by the solution `y` of `y * transpose(l) = x`, where `l` is lower.
pub fn solve_transposed(l: &[f64], x: &mut [f64]) {
    for row in x.chunks_exact_mut(SIDE) {
        for (k, l_row) in l.chunks_exact(SIDE).enumerate() {
            row[k] = (row[k] - dot(&row[..k], &l_row[..k])) / l_row[k];
        }
    }
}

pub fn transposed(a: &[f64]) -> [f64; LEN] {
    std::array::from_fn(|i| a[i % SIDE * SIDE + i / SIDE])
}

fn subtract_multiple(row: &mut [f64], factor: f64, other: &[f64]) {
    for (x, y) in row.iter_mut().zip(other) {
        *x -= factor * y;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
