//! Ctrl-D on an empty line ends the shell, though lines of a statement stand above it.
//!
//! The editor knows an empty text only. It shows each text to its highlighter before the next key
//! comes, which is how the keys learn of the last line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reedline::{
    AbbrExpandContext, EditCommand, EditMode, Emacs, ExampleHighlighter, Highlighter,
    PromptEditMode, ReedlineEvent, ReedlineRawEvent, StyledText,
};

/// Whether the cursor is on a last line that is empty.
pub(super) type OnEmptyLine = Arc<AtomicBool>;

/// The usual keys, but for Ctrl-D.
pub(super) struct Keys {
    usual: Emacs,
    on_empty_line: OnEmptyLine,
}

impl Keys {
    pub(super) fn new(on_empty_line: OnEmptyLine) -> Self {
        Self { usual: Emacs::default(), on_empty_line }
    }

    fn act_on(&self, event: ReedlineEvent) -> ReedlineEvent {
        match event {
            ReedlineEvent::CtrlD if self.on_empty_line.load(Ordering::Relaxed) => {
                let forgotten = ReedlineEvent::Edit(vec![EditCommand::Clear]);
                ReedlineEvent::Multiple(vec![forgotten, ReedlineEvent::CtrlD])
            }
            other => other,
        }
    }
}

impl EditMode for Keys {
    fn parse_event(&mut self, event: ReedlineRawEvent) -> ReedlineEvent {
        let event = self.usual.parse_event(event);
        self.act_on(event)
    }

    fn edit_mode(&self) -> PromptEditMode {
        self.usual.edit_mode()
    }
}

/// The usual look of the text, which it watches.
pub(super) struct Watched {
    usual: ExampleHighlighter,
    on_empty_line: OnEmptyLine,
}

impl Watched {
    pub(super) fn new(on_empty_line: OnEmptyLine) -> Self {
        Self { usual: ExampleHighlighter::default(), on_empty_line }
    }
}

impl Highlighter for Watched {
    fn highlight(&self, line: &str, cursor: usize) -> StyledText {
        let is_empty = line.get(cursor..) == Some("") && (line.is_empty() || line.ends_with('\n'));
        self.on_empty_line.store(is_empty, Ordering::Relaxed);
        self.usual.highlight(line, cursor)
    }

    fn should_expand_abbr(&self, line: &str, cursor: usize, context: AbbrExpandContext) -> bool {
        self.usual.should_expand_abbr(line, cursor, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_d_ends_the_shell_on_an_empty_last_line_and_nowhere_else() {
        let on_empty_line = OnEmptyLine::default();
        let (watched, keys) = (Watched::new(Arc::clone(&on_empty_line)), Keys::new(on_empty_line));
        for (text, cursor, ends) in [
            ("", 0, true),
            ("SELECT *\n", 9, true),
            ("SELECT *\n", 8, false),
            ("SELECT *", 8, false),
            ("SELECT *\n FROM", 14, false),
        ] {
            watched.highlight(text, cursor);
            let event = keys.act_on(ReedlineEvent::CtrlD);
            let is_end = matches!(&event, ReedlineEvent::Multiple(events)
                if events.last() == Some(&ReedlineEvent::CtrlD));
            assert_eq!(is_end, ends, "{text:?} {cursor}: {event:?}");
            assert_eq!(keys.act_on(ReedlineEvent::Enter), ReedlineEvent::Enter);
        }
    }
}
