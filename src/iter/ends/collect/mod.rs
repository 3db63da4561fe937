//! Collecting: in place where the number of items is known, else by the piece.

mod extend;
mod fallible;
mod from;
mod in_place;
mod pieces;
mod two;

pub(crate) use in_place::{append_by, append_known};
use pieces::append_unknown;
pub(crate) use pieces::pieces_of;
pub(crate) use two::{Apart, ByPredicate, BySide, extend_two};
