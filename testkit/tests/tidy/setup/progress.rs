//! `tools/build` where nobody sees cargo's bar: lines that tell how far it is, and all else as
//! cargo says it.

use super::machine::{Answer, Machine};

/// Says what cargo says when it is told to show its bar: frames that end with a carriage return.
const CARGO: &str = r#"
[ "$CARGO_TERM_PROGRESS_WHEN" = always ] || { echo "plain: $*" >&2; exit 3; }
printf '   Compiling a v1.0.0\n    Building [>        ] 0/8: a\r' >&2
printf '    Building [==>      ] 2/8: b, rocksdb(build)     \r   Compiling c v1.0.0\n' >&2
printf 'printed: %s\n' "$*"
printf '    Building [=======> ] 7/8: c(bin)\rerror: it is wrong\n  [1/2]: here\n' >&2
printf 'without a line break' >&2
exit 101
"#;

fn build(variables: &[(&str, &str)]) -> Answer {
    let machine = Machine::new();
    machine.command("cargo", CARGO);
    machine.run("tools/build", &["build", "-p", "cli"], variables)
}

/// The time that a line tells is not the test's concern.
fn without_times(said: &str) -> String {
    let line = |line: &str| match line.split_once(" min, ") {
        Some((_, rest)) if line.starts_with("    Progress ") => format!("Progress {rest}\n"),
        _ => format!("{line}\n"),
    };
    said.lines().map(line).collect()
}

#[test]
fn a_build_without_a_terminal_tells_how_far_it_is() {
    let answer = build(&[("YEOUL_PROGRESS_SECONDS", "0")]);
    let expected = "   Compiling a v1.0.0\nProgress 0 of 8 parts, now a\n\
                    Progress 2 of 8 parts, now b, rocksdb(build)\n   Compiling c v1.0.0\n\
                    Progress 7 of 8 parts, now c(bin)\n\
                    error: it is wrong\n  [1/2]: here\nwithout a line break\n";
    assert_eq!(without_times(&answer.said), expected);
    assert_eq!(answer.printed, "printed: build -p cli\n");
    assert_eq!(answer.status, 101, "the status is cargo's");
}

#[test]
fn lines_about_a_build_come_now_and_then() {
    let answer = build(&[("YEOUL_PROGRESS_SECONDS", "3600")]);
    assert_eq!(answer.said.matches("Progress").count(), 1, "{answer:?}");
}

#[test]
fn whoever_says_how_cargo_shows_its_progress_has_it_so() {
    let answer = build(&[("CARGO_TERM_PROGRESS_WHEN", "never")]);
    assert_eq!((answer.status, answer.said.as_str()), (3, "plain: build -p cli\n"));
}
