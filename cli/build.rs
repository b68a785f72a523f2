//! Packs the relocations of the binary, where the machine's C library can read them so (DT_RELR).
//!
//! A position-independent binary of this size has some 180,000 of them, 24 bytes each: 4 MB that
//! are read at every start and stay resident. Packed they are 50 kB.
//!
//! And packs the flights that the demo carries: 0.9 MB of text in a quarter of that.

use std::env;
use std::process::Command;

/// glibc before this does not know DT_RELR, and refuses to run what needs it: a binary for older
/// systems is built on one of them.
const FIRST_GLIBC: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    let is_native = env::var("TARGET").is_ok_and(|target| is("HOST", &target));
    let is_glibc = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is_native && is_glibc && glibc().is_some_and(|version| version >= FIRST_GLIBC) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    #[cfg(feature = "platform")]
    pack_flights().expect("examples/flights/data/flights.csv can be packed");
}

/// Writes `flights.csv.deflate` to where the demo includes it from.
#[cfg(feature = "platform")]
fn pack_flights() -> std::io::Result<()> {
    use std::io::Write as _;
    use std::path::PathBuf;

    let source = "../examples/flights/data/flights.csv";
    println!("cargo::rerun-if-changed={source}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names it"));
    let packed = std::fs::File::create(out.join("flights.csv.deflate"))?;
    let level = flate2::Compression::best();
    let mut encoder = flate2::write::DeflateEncoder::new(packed, level);
    encoder.write_all(&std::fs::read(source)?)?;
    encoder.finish().map(|_| ())
}

/// The version of this machine's C library; `None` where it does not tell.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, rest) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
