//! Values that the API and the topic know by a word.

/// A type whose values each have a word.
pub(crate) trait Worded: Copy + PartialEq + 'static {
    /// Every value and its word, in capitals.
    const WORDS: &'static [(Self, &'static str)];

    /// The value of a word, in capitals or not.
    fn of_word(text: &str) -> Option<Self> {
        let known = Self::WORDS.iter().find(|(_, word)| word.eq_ignore_ascii_case(text));
        known.map(|(value, _)| *value)
    }

    fn word(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(value, _)| *value == self);
        known.map(|(_, word)| *word).expect("WORDS has every value")
    }
}
