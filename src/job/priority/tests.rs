//! Unit test: tag and priority share a word.

use super::*;
use crate::latch::{ANY_TAG, NO_TAG};
use crate::worker::Tag;

#[test]
fn a_word_keeps_its_tag_and_its_priority() {
    let tag = Tag::new(NO_TAG);
    for tag in [NO_TAG, ANY_TAG, tag.address()] {
        for priority in [Priority::High, Priority::Normal, Priority::Low] {
            let word = tag | priority.bits();
            assert_eq!((tag_of(word), Priority::of(word)), (tag, priority));
        }
    }
}
