//! Checks messages.

/// Checks that a message holds all of `words`, and returns it.
#[track_caller]
pub fn assert_says(message: impl ToString, words: &[&str]) -> String {
    let message = message.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    message
}
