//! Collecting: in place if the number of items is known, else each piece by itself.

mod extend;
mod fallible;
mod from;
mod in_place;
mod pieces;
mod two;

use in_place::append_known;
use pieces::append_unknown;
pub(crate) use pieces::pieces_of;
pub(crate) use two::{Apart, ByPredicate, BySide, extend_two};
