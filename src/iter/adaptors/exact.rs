//! Serial iterators that know their length, though their type does not say so.

/// An iterator whose `size_hint` is exact.
pub struct Exact<It>(pub(super) It);

impl<It: Iterator> Iterator for Exact<It> {
    type Item = It::Item;

    #[inline]
    fn next(&mut self) -> Option<It::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<It::Item> {
        self.0.nth(n)
    }

    fn fold<B, F: FnMut(B, It::Item) -> B>(self, init: B, f: F) -> B {
        self.0.fold(init, f)
    }
}

impl<It: DoubleEndedIterator> DoubleEndedIterator for Exact<It> {
    #[inline]
    fn next_back(&mut self) -> Option<It::Item> {
        self.0.next_back()
    }

    fn nth_back(&mut self, n: usize) -> Option<It::Item> {
        self.0.nth_back(n)
    }

    fn rfold<B, F: FnMut(B, It::Item) -> B>(self, init: B, f: F) -> B {
        self.0.rfold(init, f)
    }
}

impl<It: Iterator> ExactSizeIterator for Exact<It> {}
