//! Parallel iterators of rayon as filch's, and filch's as rayon's.
//!
//! The plumbing of both is the same but for the traits' names. So each side wraps what it is given:
//! a producer of the one is a producer of the other, and so is a consumer.

mod from;
mod to;

use rayon::iter::plumbing::{Producer as TheirProducer, ProducerCallback as TheirCallback};

use super::plumbing::{Producer, ProducerCallback};

pub use from::{FromRayon, FromRayonUnindexed, IntoFilch};
pub use to::{IntoRayon, ToRayon};

/// A producer of one crate as one of the other, or the callback that is to get such a producer.
struct Across<T>(T);

macro_rules! across {
    ($($producer:ident, $callback:ident => $as_producer:ident, $as_callback:ident;)*) => {$(
        impl<P: $producer> $as_producer for Across<P> {
            type Item = P::Item;
            type IntoIter = P::IntoIter;

            fn into_iter(self) -> P::IntoIter {
                self.0.into_iter()
            }

            fn min_len(&self) -> usize {
                self.0.min_len()
            }

            fn max_len(&self) -> usize {
                self.0.max_len()
            }

            fn split_at(self, index: usize) -> (Self, Self) {
                let (left, right) = self.0.split_at(index);
                (Across(left), Across(right))
            }
        }

        impl<T, CB: $as_callback<T>> $callback<T> for Across<CB> {
            type Output = CB::Output;

            fn callback<P: $producer<Item = T>>(self, producer: P) -> CB::Output {
                self.0.callback(Across(producer))
            }
        }
    )*};
}

across! {
    TheirProducer, TheirCallback => Producer, ProducerCallback;
    Producer, ProducerCallback => TheirProducer, TheirCallback;
}
