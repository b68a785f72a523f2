//! Indents generated text by its braces, so that a person can read it.

pub(crate) fn indent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    let mut depth = 0_usize;
    for line in text.lines().map(str::trim) {
        let closing = line.starts_with(['}', ')', ']']);
        let own = if line.is_empty() { 0 } else { depth - usize::from(closing) };
        out.extend(std::iter::repeat_n("    ", own));
        out.push_str(line);
        out.push('\n');
        if !line.starts_with("//") {
            depth += line.matches(['{', '(', '[']).count();
            depth -= line.matches(['}', ')', ']']).count();
        }
    }
    out
}
