//! Methods of vectors that change their length.

use super::partition;

/// Parallel algorithms that remove elements from a vector.
///
/// They test each element once and move the elements that stay to the front, both in parallel, and
/// then drop the others on the calling thread. Unless all elements stay, or none, they allocate
/// memory for as many elements as the vector has, and a byte for each.
///
/// If a closure panics, the vector is unchanged. If the drop of an element panics, the others are
/// dropped nevertheless.
pub trait ParallelVec<T: Send> {
    /// Returns the vector, on which the other methods work.
    fn as_parallel_vec(&mut self) -> &mut Vec<T>;

    /// Removes the elements for which `test` returns false. The others keep their order.
    ///
    /// # Panics
    /// If `test` or a drop panics.
    ///
    /// ```
    /// use filch::slice::ParallelVec;
    /// let mut numbers = vec![1, 2, 3, 4];
    /// numbers.par_retain(|n| n % 2 == 0);
    /// assert_eq!(numbers, [2, 4]);
    /// ```
    fn par_retain<F: Fn(&T) -> bool + Sync>(&mut self, test: F) {
        let vec = self.as_parallel_vec();
        let kept = partition::stable_partition(vec, &test);
        vec.truncate(kept);
    }

    /// Removes each element that is equal to the one before it.
    ///
    /// # Panics
    /// If a comparison or a drop panics.
    ///
    /// ```
    /// use filch::slice::ParallelVec;
    /// let mut numbers = vec![1, 1, 2, 1];
    /// numbers.par_dedup();
    /// assert_eq!(numbers, [1, 2, 1]);
    /// ```
    fn par_dedup(&mut self)
    where
        T: PartialEq,
    {
        self.par_dedup_by(T::eq);
    }

    /// Removes each element whose key is equal to that of the one before it, like
    /// [`par_dedup`](Self::par_dedup).
    ///
    /// # Panics
    /// If `key`, a comparison or a drop panics.
    fn par_dedup_by_key<K: PartialEq, F: Fn(&T) -> K + Sync>(&mut self, key: F) {
        self.par_dedup_by(|a, b| key(a) == key(b));
    }

    /// Removes each element `a` for which `same(a, b)` returns true, where `b` is the one before
    /// it.
    ///
    /// `b` is the previous element even if it is removed. [`Vec::dedup_by`] compares with the last
    /// element that stays, which differs if `same` is not an equivalence relation.
    ///
    /// # Panics
    /// If `same` or a drop panics.
    ///
    /// ```
    /// use filch::slice::ParallelVec;
    /// let mut words = vec!["Steal", "steal", "fork", "FORK"];
    /// words.par_dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    /// assert_eq!(words, ["Steal", "fork"]);
    /// ```
    fn par_dedup_by<F: Fn(&T, &T) -> bool + Sync>(&mut self, same: F) {
        let vec = self.as_parallel_vec();
        let kept = partition::dedup(vec, &same);
        vec.truncate(kept);
    }
}

impl<T: Send> ParallelVec<T> for Vec<T> {
    fn as_parallel_vec(&mut self) -> &mut Vec<T> {
        self
    }
}
