//! Collecting: in place where the number of items is known, else by the piece.

mod in_place;
mod pieces;

pub(crate) use in_place::{append_by, append_known};
pub(crate) use pieces::append_unknown;

use super::super::{FromParallelIterator, IntoParallelIterator, ParallelExtend, ParallelIterator};

impl<T: Send> ParallelExtend<T> for Vec<T> {
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I) {
        let par_iter = par_iter.into_par_iter();
        match par_iter.opt_len() {
            Some(len) => append_known(self, len, par_iter),
            None => append_unknown(self, par_iter),
        }
    }
}

impl<T: Send> FromParallelIterator<T> for Vec<T> {
    fn from_par_iter<I: IntoParallelIterator<Item = T>>(par_iter: I) -> Self {
        let mut vec = Vec::new();
        vec.par_extend(par_iter);
        vec
    }
}
