//! Subjects and the contexts they live in: `name` is in the default context, `:.ctx:name` in
//! `.ctx`.

/// The default context.
pub(crate) const DEFAULT: &str = ".";
/// The context whose config and mode stand behind all others'.
pub(crate) const GLOBAL: &str = ".__GLOBAL";

/// The context of a subject as it is written.
pub(crate) fn context_of(subject: &str) -> &str {
    split(subject).0
}

/// Context and bare name.
pub(crate) fn split(subject: &str) -> (&str, &str) {
    let inside = subject.strip_prefix(':').filter(|rest| rest.starts_with('.'));
    match inside.and_then(|rest| rest.split_once(':')) {
        Some((context, name)) => (context, name),
        None => match inside {
            Some(context) => (context, ""),
            None => (DEFAULT, subject),
        },
    }
}

/// The one way to write a subject: the default context is left out.
pub(crate) fn normal(subject: &str) -> String {
    let (context, name) = split(subject);
    qualified(context, name)
}

/// A name inside a context.
pub(crate) fn qualified(context: &str, name: &str) -> String {
    if context == DEFAULT { name.to_owned() } else { format!(":{context}:{name}") }
}

/// Whether it can be a subject: not empty, no control characters, not a reserved word.
pub(crate) fn is_valid(subject: &str) -> bool {
    let (context, name) = split(subject);
    !subject.is_empty()
        && is_valid_context(context)
        && !matches!(name, "__GLOBAL" | "__EMPTY")
        && !subject.chars().any(char::is_control)
}

/// Whether it can be a context: letters, digits, `_`, `-` and dots, the first of them a dot.
pub(crate) fn is_valid_context(context: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    context.starts_with('.') && context.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_told_from_names() {
        assert_eq!(split("a:b"), (".", "a:b"));
        assert_eq!(split(":.c:a:b"), (".c", "a:b"));
        assert_eq!(split(":.c:"), (".c", ""));
        assert_eq!(normal(":.:a"), "a");
        assert_eq!(normal(":.c:a"), ":.c:a");
        assert!(is_valid("x/y z é"));
        assert!(is_valid(":.my-ctx_1:s") && !is_valid(":.my ctx:s"));
        assert!(!is_valid("") && !is_valid("a\u{0}") && !is_valid("__GLOBAL"));
    }
}
