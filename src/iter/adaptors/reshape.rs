//! Adaptors that put a producer around their base's producer.

/// Declares such adaptors by their length, and by a call of `callback` with a producer that is made
/// of `base`, which has `len` items.
macro_rules! reshaped {
    ($(
        $(#[$doc:meta])*
        $name:ident<I $(; $($P:ident),+)?> { $($field:ident: $type:ty),* }
        [$($generics:tt)*] ($in:ty) -> $out:ty
        where { $($bounds:tt)* }
        len |$self:ident, $base_len:ident| $own_len:expr,
        |$len:pat_param, $base:ident, $callback:ident| $call:expr;
    )*) => {$(
        adaptor! { $(#[$doc])* $name<I $(; $($P),+)?> { base; $($field: $type),* } }

        $crate::iter::bridged::bridged!(
            [$($generics)*, I] $name<I $(, $($P),+)?>
            where {
                I: $crate::iter::IndexedParallelIterator<Item = $in>,
                $($bounds)*
            },
            $out,
            settings |self| $crate::iter::ParallelIterator::loop_settings(&self.base),
            |$self| {
                let $base_len = $self.base.len();
                $own_len
            },
            |callback| {
                struct Call<CB, $($($P),+)?> {
                    len: usize,
                    callback: CB,
                    $($field: $type,)*
                }

                impl<$($generics)*, CB> $crate::iter::plumbing::ProducerCallback<$in>
                    for Call<CB, $($($P),+)?>
                where
                    CB: $crate::iter::plumbing::ProducerCallback<$out>,
                    $($bounds)*
                {
                    type Output = CB::Output;

                    fn callback<P>(self, $base: P) -> CB::Output
                    where
                        P: $crate::iter::plumbing::Producer<Item = $in>,
                    {
                        let Call { len, callback: $callback, $($field),* } = self;
                        let $len = len;
                        $call
                    }
                }

                let $name { base, $($field),* } = $self;
                let len = base.len();
                base.with_producer(Call { len, callback, $($field),* })
            }
        );
    )*};
}

pub(super) use reshaped;
