//! Declares adaptors.

/// Declares the type of an adaptor: the fields that `Debug` shows, and behind the semicolon the
/// others.
macro_rules! adaptor {
    (
        $(#[$doc:meta])*
        $name:ident<$($a:lifetime,)? $($P:ident $(: $bound:path)?),+>
        { $($shown:ident: $shown_type:ty),+ $(; $($field:ident: $type:ty),*)? }
    ) => {
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Clone)]
        pub struct $name<$($a,)? $($P $(: $bound)?),+> {
            $($shown: $shown_type,)+
            $($($field: $type),*)?
        }

        impl<$($a,)? $($P $(: $bound)?),+> $name<$($a,)? $($P),+> {
            pub(crate) fn new($($shown: $shown_type,)+ $($($field: $type),*)?) -> Self {
                $name { $($shown,)+ $($($field),*)? }
            }
        }

        impl<$($a,)? $($P $(: $bound)?),+> std::fmt::Debug for $name<$($a,)? $($P),+>
        where
            $($shown_type: std::fmt::Debug,)+
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut f = f.debug_struct(stringify!($name));
                $(f.field(stringify!($shown), &self.$shown);)+
                f.finish_non_exhaustive()
            }
        }
    };
}

/// Declares the bounds of a producer that wraps `$base`, or two bases.
macro_rules! bounds_of {
    ($P:ident: $base:tt) => {
        const FEW_BLOCKS: bool = $P::FEW_BLOCKS;

        fn min_len(&self) -> usize {
            self.$base.min_len()
        }

        fn max_len(&self) -> usize {
            self.$base.max_len()
        }
    };
    ($A:ident: $a:tt, $B:ident: $b:tt) => {
        const FEW_BLOCKS: bool = $A::FEW_BLOCKS || $B::FEW_BLOCKS;

        fn min_len(&self) -> usize {
            self.$a.min_len().max(self.$b.min_len())
        }

        fn max_len(&self) -> usize {
            self.$a.max_len().min(self.$b.max_len())
        }
    };
}

/// Declares an adaptor without positions by how it drives its `base`.
macro_rules! driven {
    (
        $(#[$doc:meta])*
        $name:ident<$($a:lifetime,)? $($P:ident $(: $bound:path)?),+> { $($fields:tt)* }
        [$($generics:tt)*] $(where { $($bounds:tt)* })? => $item:ty,
        |$self:ident, $consumer:ident| $drive:expr
        $(, opt_len |$len_self:ident| $opt_len:expr)?
    ) => {
        adaptor! { $(#[$doc])* $name<$($a,)? $($P $(: $bound)?),+> { $($fields)* } }

        $crate::iter::implement::parallel!(
            [$($generics)*] $name<$($a,)? $($P),+> $(where { $($bounds)* })? => $item,
            |$self, $consumer| $drive
            $(, opt_len |$len_self| $opt_len)?,
            settings |self| self.base.loop_settings()
        );
    };
}

/// Calls `$callback` with the producer that `$call` makes of the one of `$base`. (The callback for
/// `$base` cannot be a closure, since it takes any producer.) `$field`s are variables that `$call`
/// uses.
macro_rules! calling {
    (
        [$($generics:tt)*] [$($P:ident),*] { $($field:ident: $type:ty),* }
        where { $($bounds:tt)* }
        ($in:ty) -> $out:ty, $base:expr, $callback:expr, |$producer:ident, $inner:ident| $call:expr
    ) => {{
        struct Call<CB, $($P),*> {
            callback: CB,
            $($field: $type),*
        }

        impl<$($generics)*, CB> $crate::iter::plumbing::ProducerCallback<$in> for Call<CB, $($P),*>
        where
            CB: $crate::iter::plumbing::ProducerCallback<$out>,
            $($bounds)*
        {
            type Output = CB::Output;

            fn callback<P>(self, $producer: P) -> CB::Output
            where
                P: $crate::iter::plumbing::Producer<Item = $in>,
            {
                let Call { callback: $inner, $($field),* } = self;
                $call
            }
        }

        $base.with_producer(Call { callback: $callback, $($field),* })
    }};
}

/// Declares an adaptor that makes one item of each of `base`, whose type is `$I`: by the iterator
/// as which it is driven, or by what it puts around the consumer and around the producer.
macro_rules! one_to_one {
    (
        $(#[$doc:meta])*
        $name:ident<$I:ident $(, $P:ident)*> { base: $_:ident $(; $($field:ident: $type:ty),+)? }
        [$($generics:tt)*] over $(<Item = $in:ty>)? => $item:ty, $($how:tt)*
    ) => {
        adaptor! {
            $(#[$doc])* $name<$I $(, $P)*> { base: $I $(; $($field: $type),+)? }
        }
        one_to_one! {
            @how [$($generics)*] [$($P),*] { $($($field: $type),+)? } [$($in)?]
            [$($generics)*, $I] $name<$I $(, $P)*>,
            [$I: ParallelIterator $(<Item = $in>)?] [$I: IndexedParallelIterator $(<Item = $in>)?]
            $item, $($how)*
        }
    };
    (
        @how $own:tt $P:tt $fields:tt $in:tt
        $generics:tt $name:ty, $any:tt $indexed:tt $item:ty, |$self:ident| $other:expr
    ) => {
        one_to_one! {
            @impl $generics $name, $any $indexed $item, |$self, consumer, callback|
            $other.drive_unindexed(consumer), $other.drive(consumer),
            $other.with_producer(callback)
        }
    };
    (
        @how $own:tt $P:tt { $($field:ident: $type:ty),* } [$in:ty]
        $generics:tt $name:ty, $any:tt $indexed:tt $item:ty,
        |$self:ident, $consumer:ident| $consuming:expr, |$base:ident| $producer:expr
    ) => {
        one_to_one! {
            @impl $generics $name, $any $indexed $item, |$self, $consumer, callback|
            $self.base.drive_unindexed($consuming), $self.base.drive($consuming),
            {
                let Self { base, $($field),* } = $self;
                calling!(
                    $own $P { $($field: $type),* } where {} ($in) -> $item, base, callback,
                    |$base, inner| inner.callback($producer)
                )
            }
        }
    };
    (
        @impl $generics:tt $name:ty, [$($any:tt)*] [$($indexed:tt)*] $item:ty,
        |$self:ident, $consumer:ident, $callback:ident|
        $drive_unindexed:expr, $drive:expr, $call:expr
    ) => {
        $crate::iter::implement::parallel!(
            $generics $name where { $($any)* } => $item,
            |$self, $consumer| $drive_unindexed,
            opt_len |self| self.base.opt_len(),
            settings |self| self.base.loop_settings()
        );
        $crate::iter::implement::indexed!(
            $generics $name where { $($indexed)* } => $item,
            drive |$self, $consumer| $drive,
            len |self| self.base.len(),
            |$self, $callback| $call
        );
    };
}
