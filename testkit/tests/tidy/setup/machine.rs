//! A machine for one test: its PATH, and the folders in which its libraries lie.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

/// Where a system may keep libclang, below its root.
pub(crate) const LIBRARIES: &[&str] = &["usr/lib/llvm-14/lib", "usr/lib/x86_64-linux-gnu"];

/// What the scripts run that every system has.
const ORDINARY: &[&str] = &[
    "bash", "cat", "cp", "dirname", "env", "getconf", "mkdir", "mktemp", "od", "printenv", "rm",
    "sed", "sh",
];

/// What the probe calls of libclang; `ERRORS` and `MESSAGE` say what reading a header comes to.
const LIBRARY: &str = r#"
typedef struct { const void *data; unsigned flags; } Text;
void *clang_createIndex(int a, int b) { return &clang_createIndex; }
void *clang_parseTranslationUnit(void *index) { return index; }
unsigned clang_getNumDiagnostics(void *unit) { return ERRORS; }
void *clang_getDiagnostic(void *unit, unsigned at) { return unit; }
int clang_getDiagnosticSeverity(void *diagnostic) { return 4; }
Text clang_getDiagnosticSpelling(void *diagnostic) {
  Text text = { "'stddef.h' file not found", 0 };
  return text;
}
const char *clang_getCString(Text text) { return text.data; }
"#;

pub(crate) struct Machine {
    home: TempDir,
}

/// How a script ended, and what it said on its standard error.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) said: String,
    pub(crate) printed: String,
}

impl Machine {
    /// A machine with a Rust toolchain, compilers and `make`, without a package manager and
    /// without libclang.
    pub(crate) fn new() -> Self {
        let machine = Self { home: TempDir::new().expect("a folder is made") };
        for folder in LIBRARIES.iter().map(|l| format!("root/{l}")).chain(["bin".to_owned()]) {
            fs::create_dir_all(machine.home.path().join(folder)).expect("a folder is made");
        }
        for name in ORDINARY {
            symlink(real(name), machine.bin(name)).expect("a command is linked");
        }
        for name in ["cc", "c++"] {
            // A compiler calls an assembler and a linker of the real machine.
            let path = std::env::var("PATH").expect("there is a PATH");
            let call = format!("PATH='{path}' exec '{}' \"$@\"", real(name).display());
            machine.command(name, &call);
        }
        machine.command("cargo", "echo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'");
        machine.command(
            "rustc",
            "echo 'rustc 1.95.0 (f2d3ce0bd 2026-03-21)'; echo 'host: x86_64-unknown-linux-gnu'",
        );
        machine.command("id", "echo 0");
        machine.command("make", "exit 0");
        machine.command("ar", "exit 0");
        machine.command("objcopy", "exit 0");
        machine
    }

    pub(crate) fn bin(&self, name: &str) -> PathBuf {
        self.home.path().join("bin").join(name)
    }

    pub(crate) fn root(&self) -> String {
        self.home.path().join("root").display().to_string()
    }

    /// Puts a shell script on the PATH, in the place of what was there by that name.
    ///
    /// Another process writes it: a process that this one makes meanwhile would otherwise hold the
    /// file open for writing, and such a file cannot be run.
    pub(crate) fn command(&self, name: &str, script: &str) {
        let write = "rm -f \"$1\" && printf '%s\n' \"#!$0\" \"$2\" >\"$1\" && chmod 755 \"$1\"";
        let written = Command::new(real("sh"))
            .args(["-c", write])
            .arg(real("sh"))
            .arg(self.bin(name))
            .arg(script)
            .status()
            .expect("a shell runs");
        assert!(written.success());
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.bin(name)).expect("a command is removed");
    }

    /// A file in the first of the system's folders of libraries.
    pub(crate) fn system_file(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(Path::new(&self.root()).join(LIBRARIES[0]).join(name), content)
            .expect("a library is written");
    }

    /// A link to a file that is not there.
    pub(crate) fn dangling(&self, name: &str) {
        let link = Path::new(&self.root()).join(LIBRARIES[0]).join(name);
        symlink("gone.so", link).expect("a link is made");
    }

    pub(crate) fn folder(&self, name: &str) -> String {
        let folder = self.home.path().join(name);
        fs::create_dir_all(&folder).expect("a folder is made");
        folder.display().to_string()
    }

    /// An `apt-get` that notes what it is asked for, and brings these libraries when it installs.
    pub(crate) fn apt_brings(&self, libraries: &[(&str, Vec<u8>)]) {
        let shelf = self.folder("shelf");
        for (name, content) in libraries {
            fs::write(Path::new(&shelf).join(name), content).expect("a library is written");
        }
        let script = format!(
            "[ \"$1\" = install ] || exit 0\necho \"$@\" >>'{log}'\n\
             for file in '{shelf}'/*; do [ ! -f \"$file\" ] || cp \"$file\" '{to}'; done",
            log = self.home.path().join("apt.log").display(),
            to = Path::new(&self.root()).join(LIBRARIES[1]).display(),
        );
        self.command("apt-get", &script);
    }

    /// The arguments of each installation that `apt-get` was asked for, a line each.
    pub(crate) fn installed(&self) -> String {
        fs::read_to_string(self.home.path().join("apt.log")).unwrap_or_default()
    }

    /// A library with libclang's functions, which reads every header.
    pub(crate) fn library(&self) -> Vec<u8> {
        static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
        BUILT.get_or_init(|| self.built(&["-DERRORS=0", NEWEST])).clone()
    }

    /// One that does not find the compiler's own headers.
    pub(crate) fn library_without_headers(&self) -> Vec<u8> {
        self.built(&["-DERRORS=1", NEWEST])
    }

    /// One without the functions of version 9.
    pub(crate) fn old_library(&self) -> Vec<u8> {
        self.built(&["-DERRORS=0"])
    }

    fn built(&self, flags: &[&str]) -> Vec<u8> {
        let source = self.home.path().join("libclang.c");
        let newest = "#ifdef NEWEST\nint clang_Cursor_isAnonymousRecordDecl(void) { return 0; }\n";
        fs::write(&source, format!("{LIBRARY}{newest}#endif\n")).expect("a source is written");
        let library = self.home.path().join("built.so");
        let compiled = Command::new(real("cc"))
            .args(["-shared", "-fPIC", "-w", "-o"])
            .arg(&library)
            .args(flags)
            .arg(&source)
            .status()
            .expect("the compiler runs");
        assert!(compiled.success());
        fs::read(library).expect("the library is there")
    }

    pub(crate) fn setup(&self, verb: &str) -> Answer {
        self.setup_with(verb, &[])
    }

    pub(crate) fn setup_with(&self, verb: &str, variables: &[(&str, &str)]) -> Answer {
        self.run("tools/setup", &[verb], variables)
    }

    /// Runs a script of the tree with nothing of the real machine's environment.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], also: &[(&str, &str)]) -> Answer {
        let Output { status, stdout, stderr } = Command::new(real("bash"))
            .arg(testkit::workspace_root().join(script))
            .args(arguments)
            .env_clear()
            .env("PATH", self.home.path().join("bin"))
            .env("HOME", self.home.path())
            .env("YEOUL_ROOT", self.root())
            .envs(also.iter().copied())
            .output()
            .expect("the script runs");
        Answer {
            status: status.code().expect("it ends by itself"),
            said: String::from_utf8_lossy(&stderr).into_owned(),
            printed: String::from_utf8_lossy(&stdout).into_owned(),
        }
    }
}

const NEWEST: &str = "-DNEWEST";

/// Where a command of the real machine is.
pub(crate) fn real(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("there is a PATH");
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|p| p.is_file());
    found.unwrap_or_else(|| panic!("{name} is on the PATH of every system"))
}
