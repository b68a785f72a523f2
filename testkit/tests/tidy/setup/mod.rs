//! `tools/setup` on made-up machines: it says what the build would stumble over, before anything
//! is built, and takes nothing for what it is not.

mod machine;
mod progress;
mod rule;

use machine::{Answer, LIBRARIES, Machine};

/// The names that are not libclang, or not one that this machine can load.
fn confusing(machine: &Machine) {
    machine.system_file("libclang-cpp.so.14", machine.library());
    machine.system_file("libclang-cpp.so", machine.library());
    machine.dangling("libclang-13.so");
    machine.system_file("libclang-15.so", b"INPUT(-lclang-15)\n");
    machine.system_file("libclang-16.so", b"\x7fELF\x01\x01\x01\0");
    machine.system_file("libclang.so.15", b"");
}

fn refused(answer: &Answer, words: &[&str]) {
    assert_eq!(answer.status, 1, "{answer:?}");
    for word in words {
        assert!(answer.said.contains(word), "{word:?} is not said: {answer:?}");
    }
}

#[test]
fn a_machine_that_has_everything_is_left_alone_in_silence() {
    let machine = Machine::new();
    machine.system_file("libclang-14.so.1", machine.library());
    for verb in ["broker", "demo", "release", "test"] {
        let answer = machine.setup(verb);
        assert_eq!((answer.status, answer.said.as_str()), (0, ""));
    }
    assert_eq!(machine.installed(), "");
}

#[test]
fn names_that_only_look_like_libclang_are_not_taken_for_it() {
    let machine = Machine::new();
    confusing(&machine);
    machine.apt_brings(&[("libclang-14.so.1", machine.library())]);
    let answer = machine.setup("demo");
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.said.contains("installing libclang-dev\n"), "{answer:?}");
    assert!(answer.said.contains("libclang-15.so is no library"), "{answer:?}");
    assert!(answer.said.contains("libclang-16.so is a 32-bit library"), "{answer:?}");
    assert!(machine.installed().ends_with("--no-install-recommends libclang-dev\n"));
    assert_eq!(machine.setup("demo").said, "");
}

#[test]
fn what_an_installation_did_not_cure_is_said_instead_of_building_on() {
    let machine = Machine::new();
    confusing(&machine);
    machine.apt_brings(&[]);
    refused(&machine.setup("demo"), &["still, after the installation", "libclang is missing"]);
}

#[test]
fn without_a_package_manager_the_packages_are_named() {
    let machine = Machine::new();
    machine.remove("c++");
    let answer = machine.setup("test");
    refused(&answer, &["c++ is not found", "libclang is missing", "g++ libclang-dev", "Fedora"]);
}

#[test]
fn whoever_may_not_install_is_told_the_packages() {
    let machine = Machine::new();
    machine.apt_brings(&[]);
    machine.command("id", "echo 1000");
    let answer = machine.setup("demo");
    refused(&answer, &["libclang is missing", "apt-get install libclang-dev"]);
    assert_eq!(machine.installed(), "");
}

#[test]
fn a_library_that_cannot_be_loaded_hides_the_good_one_as_it_does_in_the_build() {
    let machine = Machine::new();
    machine.system_file("libclang-14.so.1", machine.library());
    machine.system_file("libclang-17.so", b"\x7fELF\x02\x01\x01\0 and nothing more");
    refused(&machine.setup("demo"), &["libclang-17.so cannot be loaded"]);
}

#[test]
fn a_library_that_lacks_the_headers_is_not_enough() {
    let machine = Machine::new();
    machine.system_file("libclang.so.1", machine.library_without_headers());
    refused(
        &machine.setup("demo"),
        &["libclang.so.1 cannot read the standard headers", "stddef.h"],
    );
}

#[test]
fn a_library_that_is_too_old_is_not_enough() {
    let machine = Machine::new();
    machine.system_file("libclang.so.1", machine.old_library());
    refused(&machine.setup("demo"), &["libclang 9 or newer"]);
}

#[test]
fn a_folder_that_the_user_names_is_the_only_one_looked_at() {
    let machine = Machine::new();
    machine.system_file("libclang-14.so.1", machine.library());
    machine.apt_brings(&[]);
    let empty = machine.folder("empty");
    let answer = machine.setup_with("demo", &[("LIBCLANG_PATH", &empty)]);
    refused(&answer, &["LIBCLANG_PATH=", "unset it"]);
    assert_eq!(machine.installed(), "", "no package cures it");

    let good = format!("{}/{}", machine.root(), LIBRARIES[0]);
    for path in [good.clone(), format!("{good}/libclang-14.so.1")] {
        let answer = machine.setup_with("demo", &[("LIBCLANG_PATH", &path)]);
        assert_eq!((answer.status, answer.said.as_str()), (0, ""));
    }
}

#[test]
fn a_compiler_without_headers_is_missing() {
    let machine = Machine::new();
    let lacks = "echo 'try.c:1:10: fatal error: stdint.h: No such file or directory' >&2; exit 1";
    machine.command("cc", lacks);
    refused(&machine.setup("broker"), &["C compiler is missing", "stdint.h", "gcc libc6-dev"]);
    let answer = machine.setup_with("broker", &[("CC", "gcc-of-mine -O2")]);
    refused(&answer, &["gcc-of-mine is not found", "unset CC"]);
}

#[test]
fn a_compiler_too_old_for_rocksdb_is_missing() {
    let machine = Machine::new();
    machine.system_file("libclang-14.so.1", machine.library());
    let unknown = "echo \"c++: error: unrecognized command line option '-std=c++20'\" >&2; exit 1";
    machine.command("c++", unknown);
    refused(&machine.setup("demo"), &["C++20 compiler is missing", "-std=c++20"]);
    assert_eq!(machine.setup("broker").status, 0, "the broker alone has no C++ in it");
}

#[test]
fn each_verb_needs_its_own_commands() {
    let machine = Machine::new();
    machine.system_file("libclang-14.so.1", machine.library());
    machine.remove("make");
    assert_eq!(machine.setup("demo").status, 0);
    refused(&machine.setup("test"), &["make is missing"]);
    machine.remove("objcopy");
    assert_eq!(machine.setup("demo").status, 0);
    refused(&machine.setup("release"), &["objcopy is missing", "binutils"]);
    machine.remove("ar");
    refused(&machine.setup("broker"), &["ar is missing", "binutils"]);
}

#[test]
fn a_toolchain_that_is_too_old_is_told_before_cargo_reads_a_manifest() {
    let machine = Machine::new();
    machine.command("rustc", "echo 'rustc 1.63.0 (4b91a6ea7 2022-08-08)'");
    let answer = machine.setup("broker");
    refused(&answer, &["or newer is needed, and rustc here is 1.63.0", "https://rustup.rs"]);
    machine.command("rustup", "exit 0");
    refused(&machine.setup("broker"), &["rustup update stable"]);
    machine.command("rustc", "echo 'rustc 1.100.0-nightly (4b91a6ea7 2027-01-01)'");
    assert_eq!(machine.setup("broker").status, 0, "versions are numbers, not text");
}

#[test]
fn a_toolchain_that_is_not_there_is_told() {
    let machine = Machine::new();
    machine
        .command("cargo", "echo 'error: rustup could not choose a version of cargo' >&2; exit 1");
    let answer = machine.setup("broker");
    refused(&answer, &["`cargo --version` fails: error: rustup could not choose"]);
    machine.remove("cargo");
    refused(&machine.setup("broker"), &["the Rust toolchain is missing (cargo is not found)"]);
}

#[test]
fn the_broker_alone_needs_no_libclang() {
    let machine = Machine::new();
    machine.remove("c++");
    machine.remove("make");
    let answer = machine.setup("broker");
    assert_eq!((answer.status, answer.said.as_str()), (0, ""));
}

#[test]
fn an_unknown_verb_is_refused() {
    let answer = Machine::new().setup("deomo");
    assert_eq!(answer.status, 2);
    assert!(answer.said.contains("'deomo'"), "{answer:?}");
}
