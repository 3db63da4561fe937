//! What parallel iterators are wrapped in.
//!
//! Most are of a few kinds, each with a trait of what differs: what a serial adaptor does to each
//! piece (`serial`), what is made of a producer (`reshape`) or of two (`pair`), and what all pieces
//! ask before an item passes (`gate`). Those with a state of their own for each piece begin by a
//! `seed`.

mod blocks;
mod chain;
mod chunks;
mod enumerate;
mod exact;
mod flat_map;
mod fold;
mod gate;
mod gates;
mod interleave;
mod intersperse;
mod len;
mod map_with;
mod pair;
mod panic_fuse;
mod positions;
mod reshape;
mod rev;
mod seed;
mod serial;
mod skip_take;
mod step_by;
mod zip;

pub use blocks::*;
pub use chain::*;
pub use chunks::*;
pub use enumerate::*;
pub use flat_map::*;
pub use fold::*;
pub use gate::Gated;
pub use gates::*;
pub use interleave::*;
pub use intersperse::*;
pub use len::*;
pub use map_with::*;
pub use pair::Paired;
pub use panic_fuse::*;
pub use positions::*;
pub use reshape::Reshaped;
pub use rev::*;
pub use serial::*;
pub use skip_take::*;
pub use step_by::*;
pub use zip::*;
