//! Collecting: in place if the number of items is known, else each piece by itself.

mod extend;
mod fallible;
mod from;
mod in_place;
mod pieces;
mod two;

pub(crate) use in_place::{Filled, Places, append_known};
pub(crate) use pieces::VecList;
