//! The rule by which `tools/libclang` finds the library, beside that of the crate that the build
//! uses: on the same folders both find the same file, or none.

use std::process::Command;

use super::machine::{LIBRARIES, Machine};

const QUESTION: &str = "YEOUL_WHERE_IS_LIBCLANG";

/// What `clang-sys` finds. It reads the environment, so it is asked in a process of its own.
fn found_by_the_build(variables: &[(&str, &str)]) -> Option<String> {
    let output = Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", "setup::rule::the_build_finds_a_library_or_says_why", "--nocapture"])
        .env_remove("LIBCLANG_PATH")
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("LIBRARY_PATH")
        .env("LLVM_CONFIG_PATH", "/nowhere/llvm-config")
        .env(QUESTION, "1")
        .envs(variables.iter().copied())
        .output()
        .expect("this test runs again");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = text.split_once("<<").and_then(|(_, rest)| rest.split_once(">>"));
    let (answer, _) = answer.unwrap_or_else(|| panic!("no answer: {text}"));
    answer.strip_prefix("found ").map(str::to_owned)
}

#[test]
fn the_build_finds_a_library_or_says_why() {
    let answer = match clang_sys::load_manually() {
        Ok(library) => format!("found {}", library.path().display()),
        Err(why) => format!("none: {why}"),
    };
    // Read by the test below, which runs this one with other variables.
    if std::env::var_os(QUESTION).is_some() {
        println!("<<{answer}>>");
    }
    assert!(answer.len() > "none: ".len());
}

fn check(machine: &Machine, root: &str, variables: &[(&str, &str)], expected: Option<&str>) {
    let build = found_by_the_build(variables);
    let mut also = vec![("LLVM_CONFIG_PATH", "/nowhere/llvm-config"), ("YEOUL_ROOT", root)];
    also.extend(variables);
    let ours = machine.run("tools/libclang", &[], &also);
    let found = (ours.status == 0).then(|| ours.printed.trim_end().to_owned());
    assert_eq!(found, build, "{variables:?}: {}", ours.said);
    if let Some(expected) = expected {
        let name = found.as_deref().and_then(|path| path.rsplit('/').next());
        assert_eq!(name.unwrap_or("none"), expected);
    }
}

#[test]
fn our_search_finds_the_file_that_the_build_finds() {
    let machine = Machine::new();
    let library = machine.library();
    let folder = format!("{}/{}", machine.root(), LIBRARIES[0]);
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&["libclang.so"], &[], "libclang.so"),
        (&["libclang.so", "libclang.so.1"], &[], "libclang.so.1"),
        (&["libclang-14.so", "libclang-14.0.6.so"], &[], "libclang-14.0.6.so"),
        (&["libclang-9.so", "libclang-14.so.1"], &[], "libclang-14.so.1"),
        (&["libclang.so.13", "libclang-14.so.1"], &[], "libclang-14.so.1"),
        (&["libclang-cpp.so.14", "libclang-cpp.so"], &[], "none"),
        (&["libclang_shared.so", "libclang.so~", "libclang.dylib"], &[], "none"),
        (&["libclang-14.so"], &["libclang-15.so"], "libclang-14.so"),
        (&[], &["libclang.so", "libclang.so.15"], "none"),
    ];
    for (good, texts, expected) in cases {
        std::fs::remove_dir_all(&folder).expect("the former case is cleared");
        std::fs::create_dir_all(&folder).expect("a folder is made");
        good.iter().for_each(|name| machine.system_file(name, &library));
        texts.iter().for_each(|name| machine.system_file(name, "INPUT(-lclang)"));
        machine.dangling("libclang-99.so");
        check(&machine, &machine.root(), &[("LIBCLANG_PATH", &folder)], Some(expected));
        for name in good.iter().chain(*texts) {
            let file = format!("{folder}/{name}");
            check(&machine, &machine.root(), &[("LIBCLANG_PATH", &file)], None);
        }
    }
}

#[test]
fn our_search_of_this_very_machine_finds_the_file_that_the_build_finds() {
    let machine = Machine::new();
    let folder = machine.folder("more");
    check(&machine, "", &[], None);
    // The real library would shadow a made-up one of a lower version.
    let path = std::path::Path::new(&folder).join("libclang-99.so");
    std::fs::write(&path, machine.library()).expect("a library is written");
    for variable in ["LD_LIBRARY_PATH", "LIBRARY_PATH"] {
        check(&machine, "", &[(variable, &folder)], Some("libclang-99.so"));
    }
    machine.system_file("libclang-98.so", machine.library());
    let prefix = std::path::Path::new(LIBRARIES[0]).parent().expect("it is a folder below one");
    machine.command("llvm", &format!("echo '{}/{}'", machine.root(), prefix.display()));
    let config = machine.bin("llvm").display().to_string();
    check(&machine, "", &[("LLVM_CONFIG_PATH", &config)], Some("libclang-98.so"));
}
