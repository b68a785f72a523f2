//! What may be done to a subject.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    ReadWrite,
    ReadOnly,
    ReadOnlyOverride,
    Import,
    Forward,
}

const MODES: [(Mode, &str); 5] = [
    (Mode::ReadWrite, "READWRITE"),
    (Mode::ReadOnly, "READONLY"),
    (Mode::ReadOnlyOverride, "READONLY_OVERRIDE"),
    (Mode::Import, "IMPORT"),
    (Mode::Forward, "FORWARD"),
];

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let known = MODES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        known.map(|(mode, _)| *mode).ok_or(())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = MODES.iter().find(|(mode, _)| mode == self);
        f.write_str(known.map_or("READWRITE", |(_, name)| *name))
    }
}
