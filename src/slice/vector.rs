//! What can be done with a vector, whose length may change.

use super::partition;

/// Parallel algorithms that remove elements from a vector.
///
/// They ask for each element once, in parallel; move the elements that stay to the front, in
/// parallel, and then drop the others on the calling thread. *O*(*n*); allocate space for as many
/// elements as the vector has, and a byte for each, unless all stay or none.
///
/// If a closure panics, the vector is as it was. If the drop of an element panics, the others are
/// dropped all the same.
pub trait ParallelVec<T: Send> {
    /// Returns the vector, on which the other methods work.
    fn as_parallel_vec(&mut self) -> &mut Vec<T>;

    /// Removes the elements that `test` does not hold for; the others keep their order.
    ///
    /// # Panics
    /// When `test`, or a drop, does.
    ///
    /// ```
    /// use filch::slice::ParallelVec;
    ///
    /// let mut numbers = vec![1, 2, 3, 4];
    /// numbers.par_retain(|n| n % 2 == 0);
    /// assert_eq!(numbers, [2, 4]);
    /// ```
    fn par_retain<F>(&mut self, test: F)
    where
        F: Fn(&T) -> bool + Sync,
    {
        let vec = self.as_parallel_vec();
        let kept = partition::stable_partition(vec, &test);
        vec.truncate(kept);
    }

    /// Removes elements that are equal to the one before.
    ///
    /// # Panics
    /// When a comparison, or a drop, does.
    ///
    /// ```
    /// use filch::slice::ParallelVec;
    ///
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

    /// Removes elements whose key is equal to that of the one before.
    ///
    /// # Panics
    /// When `key`, a comparison, or a drop does.
    ///
    /// ```
    /// use filch::slice::ParallelVec;
    ///
    /// let mut numbers = vec![10, 11, 20, 21, 12];
    /// numbers.par_dedup_by_key(|n| *n / 10);
    /// assert_eq!(numbers, [10, 20, 12]);
    /// ```
    fn par_dedup_by_key<K, F>(&mut self, key: F)
    where
        K: PartialEq,
        F: Fn(&T) -> K + Sync,
    {
        self.par_dedup_by(|a, b| key(a) == key(b));
    }

    /// Removes elements that are the `same` as the one before; `same(a, b)` is asked with the later
    /// one first, as by [`Vec::dedup_by`].
    ///
    /// The one before is the element at the place before, whether it stays or not. For relations
    /// that are no equivalences this differs from [`Vec::dedup_by`], which compares with the last
    /// one that stays.
    ///
    /// # Panics
    /// When `same`, or a drop, does.
    ///
    /// ```
    /// use filch::slice::ParallelVec;
    ///
    /// let mut words = vec!["Steal", "steal", "fork", "FORK"];
    /// words.par_dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    /// assert_eq!(words, ["Steal", "fork"]);
    /// ```
    fn par_dedup_by<F>(&mut self, same: F)
    where
        F: Fn(&T, &T) -> bool + Sync,
    {
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
