//! Generates typed messages from the tables in `schema/`.

#[path = "build/emit.rs"]
mod emit;
#[path = "build/errors.rs"]
mod errors;
#[path = "build/indent.rs"]
mod indent;
#[path = "build/names.rs"]
mod names;
#[path = "build/read.rs"]
mod read;
#[path = "build/schema.rs"]
mod schema;
#[path = "build/sizes.rs"]
mod sizes;
#[path = "build/tree.rs"]
mod tree;
#[path = "build/write.rs"]
mod write;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=schema");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));

    let schema = load(&root.join("schema"));
    save(&out.join("messages.rs"), &emit::messages(&schema));
    save(&out.join("api_key.rs"), &emit::api_keys(&schema));
    save(&out.join("each_message.rs"), &emit::each_message(&schema));
    let codes = root.join("schema/error_codes.txt");
    let codes = fs::read_to_string(codes).expect("the table of error codes can be read");
    save(&out.join("error_code.rs"), &errors::error_codes(&codes));
}

fn load(folder: &Path) -> schema::Schema {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the schema folder is there")
        .map(|entry| entry.expect("the schema folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "schema"))
        .collect();
    files.sort();
    let mut schema = schema::Schema::default();
    for file in files {
        let text = fs::read_to_string(&file).expect("a schema file can be read");
        if let Err(e) = schema.add(&text) {
            panic!("{}: {e}", file.display());
        }
    }
    schema.apis.sort_by_key(|api| api.key);
    schema
}

/// Leaves an unchanged file alone, so that nothing is compiled anew for it.
fn save(path: &Path, text: &str) {
    let text = indent::indent(text);
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    fs::write(path, &text).expect("OUT_DIR can be written");
}
