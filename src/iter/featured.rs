//! Traits of the prelude that need a feature. If the feature is off, there are methods of the same
//! names that no type may call, so that the compiler says which feature they need.

#[cfg(feature = "indicatif")]
// Unnamed, so that the trait of indicatif with this name can be imported beside it.
pub use super::ParallelProgressIterator as _;
#[cfg(feature = "rayon")]
pub use super::{IntoFilch, IntoRayon};

/// Declares a trait with methods that need a feature, and one that no type implements.
macro_rules! stand_ins {
    (
        $feature:literal, $message:literal, $label:literal, $needs:ident, $name:ident: $bound:path,
        $($method:ident($($arg:ident)?))*
    ) => {
        #[cfg(not(feature = $feature))]
        #[diagnostic::on_unimplemented(message = $message, label = $label)]
        #[doc(hidden)]
        #[allow(missing_docs)]
        pub trait $needs {}

        #[cfg(not(feature = $feature))]
        #[doc(hidden)]
        #[allow(missing_docs)]
        pub trait $name: $bound {
            $(
                fn $method$(<$arg>)?(self $(, _: $arg)?) -> Self
                where
                    Self: $needs,
                {
                    self
                }
            )*
        }

        #[cfg(not(feature = $feature))]
        impl<I: $bound> $name for I {}
    };
}

stand_ins! {
    "indicatif", "methods for progress bars need the feature `indicatif` of filch",
    "`cargo add filch --features indicatif` enables it",
    NeedsIndicatif, ProgressStandIns: super::ParallelIterator,
    progress() progress_count(A) progress_with(A) progress_with_style(A)
}

stand_ins! {
    "rayon", "conversions from and to rayon need the feature `rayon` of filch",
    "`cargo add filch --features rayon` enables it",
    NeedsRayon, ConversionStandIns: Sized,
    into_rayon() into_filch() into_filch_unindexed()
}
